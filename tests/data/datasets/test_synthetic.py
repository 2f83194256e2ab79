import dataclasses
import itertools
import pickle
import time

import numpy as np
import pytest

from fashionjax.data.datasets.synthetic import MAX_EXAMPLES, SyntheticSource
from fashionjax.data.label_maps import CCP_4, CCP_59, FASHIONPEDIA_47, IMATERIALIST_9
from fashionjax.data.synthetic import photo_categories, render_photo

SIZE = (96, 64)
JUMPSUIT = 11


def test_example_is_the_photo_painted_by_the_label_map():
    source = SyntheticSource("val", 3, SIZE, FASHIONPEDIA_47)
    photo = render_photo(source.seed(2), SIZE)
    example = source[2]
    label = FASHIONPEDIA_47.paint(photo.masks, photo.category_ids)
    assert sorted(example) == ["image", "image_id", "label"]
    assert (example["image"] == photo.image).all()
    assert (example["label"] == label).all()
    assert example["label"].dtype == np.uint8
    assert example["image_id"] == "synthetic-val-000002"


def test_maps_of_ccp_ids_get_hair_skin_and_clothes():
    photo = render_photo(SyntheticSource("train", 1, SIZE, CCP_4).seed(0), SIZE)
    four = SyntheticSource("train", 1, SIZE, CCP_4)[0]["label"]
    all_names = SyntheticSource("train", 1, SIZE, CCP_59)[0]["label"]
    assert (four[photo.skin] == CCP_4.class_names.index("skin")).all()
    assert (four[photo.hair] == CCP_4.class_names.index("hair")).all()
    assert ((four == CCP_4.class_names.index("clothes")) == photo.masks.any(0)).all()
    assert (CCP_4.apply(all_names) == four).all()


def test_a_map_of_other_ids_is_refused():
    other = dataclasses.replace(IMATERIALIST_9, name="other", target_of={0: 1})
    with pytest.raises(ValueError, match="'other' knows 1 ids"):
        SyntheticSource("train", 1, SIZE, other)
    drops = dataclasses.replace(CCP_4, dropped=frozenset({3}))
    with pytest.raises(ValueError, match=r"'ccp_4' drops \[3\]"):
        SyntheticSource("train", 1, SIZE, drops)


def test_dropped_photos_are_passed_over_and_the_length_stays():
    source = SyntheticSource("train", 400, SIZE, IMATERIALIST_9)
    everything = SyntheticSource("train", 400, SIZE, FASHIONPEDIA_47)
    kept = [source.seed(index) for index in range(400)]
    assert len(source) == 400
    assert kept == sorted(set(kept))
    assert not any(JUMPSUIT in photo_categories(seed) for seed in kept)
    skipped = set(range(kept[0], kept[-1])) - set(kept)
    assert skipped
    assert all(JUMPSUIT in photo_categories(seed) for seed in skipped)
    assert [everything.seed(index) for index in range(400)] == list(range(400))


def test_splits_can_never_share_a_seed():
    ends = []
    for split in ("train", "val", "test"):
        source = SyntheticSource(split, MAX_EXAMPLES, SIZE, FASHIONPEDIA_47)
        ends.append((source.seed(0), source.seed(MAX_EXAMPLES - 1)))
    assert ends == sorted(ends)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ends))


def test_splits_show_different_photos():
    first = [SyntheticSource(s, 1, SIZE, FASHIONPEDIA_47)[0] for s in ("train", "test")]
    assert (first[0]["image"] != first[1]["image"]).any()


def test_a_pickled_copy_gives_the_same_examples():
    source = SyntheticSource("test", 5, SIZE, IMATERIALIST_9)
    copy = pickle.loads(pickle.dumps(source))
    assert len(copy) == 5
    assert (copy[4]["image"] == source[4]["image"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "dev"}, r"'dev'.*train, val, test"),
        ({"num_examples": 0}, r"num_examples 0.*1 to"),
        ({"num_examples": MAX_EXAMPLES + 1}, "num_examples 10000001"),
        ({"size": (32, 96)}, r"size \(32, 96\).*at least 64"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = {"split": "train", "num_examples": 2, "size": SIZE} | change
    with pytest.raises(ValueError, match=message):
        SyntheticSource(**arguments, label_map=FASHIONPEDIA_47)


def test_indices_past_the_end_are_refused():
    source = SyntheticSource("train", 2, SIZE, FASHIONPEDIA_47)
    with pytest.raises(IndexError, match="index 2: allowed are 0 to 1"):
        source[2]
    assert len(list(source)) == 2


def test_40000_examples_are_indexed_quickly():
    start = time.process_time()
    source = SyntheticSource("train", 40_000, SIZE, IMATERIALIST_9)
    assert len(source) == 40_000
    assert time.process_time() - start < 10.0  # about 2 s; the rest is slow machines
