import pickle

import numpy as np
import pytest

from fashionjax.data.repeated_examples import RepeatedExamples

FACTORS = np.array([1, 2.5, 1, 3, 1.25, 1.1, 1, 1])


def _counts(repeated, epoch):
    return np.bincount(repeated.epoch(epoch), minlength=len(FACTORS))


@pytest.mark.parametrize("seed", [0, 1])
def test_every_epoch_has_each_example_once_for_each_whole_part_of_its_factor(seed):
    repeated = RepeatedExamples(FACTORS, len(FACTORS), seed)
    assert repeated.length == 12  # of 11.85
    counts = np.stack([_counts(repeated, epoch) for epoch in range(200)])
    assert (counts.sum(1) == 12).all()
    assert (counts >= np.floor(FACTORS)).all()
    # One of each epoch may have taken the place that was left.
    assert ((counts - np.ceil(FACTORS)).clip(0).sum(1) <= 1).all()
    assert len({tuple(row) for row in counts}) > 5


def test_on_average_an_example_comes_as_often_as_its_factor_says():
    repeated = RepeatedExamples(FACTORS, len(FACTORS), 3)
    mean = np.mean([_counts(repeated, epoch) for epoch in range(1500)], axis=0)
    # Beside the places that are left, 0.15 of an epoch divided by eight examples.
    np.testing.assert_allclose(mean, FACTORS + 0.15 / 8, atol=0.04)


def test_the_draws_of_a_seed_are_these():
    # A run that resumes under another version of NumPy relies on them.
    repeated = RepeatedExamples(FACTORS, len(FACTORS), 5)
    assert repeated.epoch(0).tolist() == [0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7]


def test_factors_of_one_are_the_examples_in_their_order():
    repeated = RepeatedExamples(np.ones(7), 7, 0)
    for epoch in range(3):
        assert repeated.epoch(epoch).tolist() == list(range(7))


def test_a_place_tells_its_example_in_every_process():
    repeated = RepeatedExamples(FACTORS, len(FACTORS), 0)
    other = pickle.loads(pickle.dumps(repeated))
    for index in (0, 11, 12, 47):
        place = (5 * index) % 12
        assert repeated(index, place) == repeated.epoch(index // 12)[place]
        assert other(index, place) == repeated(index, place)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (np.ones(3), r"shape \[3\]; allowed is one for each of 2"),
        (np.array([1, 0.5]), "repeat factor 0.5; allowed is 1 or more"),
        (np.array([np.nan, 1]), "repeat factor nan; allowed is 1 or more"),
    ],
)
def test_factors_that_do_not_fit_are_refused(factors, message):
    with pytest.raises(ValueError, match=message):
        RepeatedExamples(factors, 2, 0)
