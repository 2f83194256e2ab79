"""Tests of the progress line; time passes only where a test lets it."""

import io
import math

import pytest

from fashionjax.train import progress as progress_module
from fashionjax.train.progress import Progress, format_duration, print_line


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_the_line_says_where_the_run_is_and_what_brakes_it(clock):
    lines = []
    progress = Progress(
        1400, batch_size=8, num_examples=560, clock=clock, emit=lines.append
    )
    for _ in range(120):
        with progress.waiting_for_data():
            clock.now += 0.01
        clock.now += 0.49
    metrics = {"loss": 1.234, "segmentation": 0.91, "tags": 0.2, "grad_norm": 3.0}
    progress.report(120, metrics)
    assert lines == [
        "step 120/1400 · epoch 1.7 · loss 1.234 (segmentation 0.91, tags 0.2) · "
        "16 images/s · 10 min 40 s left · waiting for data 2 %"
    ]


def test_a_resumed_run_counts_only_its_own_steps(clock):
    progress = Progress(1000, start_step=900, batch_size=4, clock=clock)
    clock.now += 10
    rates = progress.measure(920)
    assert rates.images_per_second == pytest.approx(8)
    assert rates.seconds_left == pytest.approx(80 * 0.5)


def test_each_report_measures_only_its_own_interval(clock):
    progress = Progress(100, batch_size=1, clock=clock)
    clock.now += 10
    progress.measure(10)
    clock.now += 2
    rates = progress.measure(20)
    assert rates.images_per_second == pytest.approx(5)
    assert rates.seconds_left == pytest.approx(80 * 12 / 20)


def test_evaluation_costs_time_left_but_no_speed(clock):
    progress = Progress(20, batch_size=1, clock=clock)
    clock.now += 10
    with progress.pause():
        clock.now += 5
    rates = progress.measure(10)
    assert rates.images_per_second == pytest.approx(1)
    assert rates.seconds_left == pytest.approx(15)


def test_compilation_counts_neither_for_speed_nor_for_time_left(clock):
    progress = Progress(20, batch_size=1, clock=clock)
    with progress.pause(once=True):
        clock.now += 60
    clock.now += 10
    rates = progress.measure(10)
    assert rates.images_per_second == pytest.approx(1)
    assert rates.seconds_left == pytest.approx(10)


def test_without_a_step_nothing_is_claimed(clock):
    lines = []
    progress = Progress(20, batch_size=1, clock=clock, emit=lines.append)
    rates = progress.report(0, {})
    assert math.isnan(rates.images_per_second)
    assert lines == ["step 0/20"]


def test_a_clock_that_stands_still_divides_by_nothing(clock):
    rates = Progress(20, batch_size=1, clock=clock).measure(1)
    assert math.isnan(rates.images_per_second)
    assert rates.seconds_left == 0


def test_a_fast_run_shows_its_speed_without_an_exponent(clock):
    lines = []
    progress = Progress(10, batch_size=2048, clock=clock, emit=lines.append)
    clock.now += 1
    progress.report(5, {})
    assert "10240 images/s" in lines[0]


def test_past_the_end_no_time_is_left(clock):
    progress = Progress(10, batch_size=1, clock=clock)
    clock.now += 1
    assert progress.measure(12).seconds_left == 0


def test_a_loss_that_is_not_a_number_is_shown(clock):
    lines = []
    Progress(9, batch_size=1, clock=clock, emit=lines.append).report(
        1, {"loss": math.nan}
    )
    assert lines[0].startswith("step 1/9 · loss nan")


def test_rates_become_training_metrics(clock):
    progress = Progress(10, batch_size=2, clock=clock)
    clock.now += 1
    with progress.dispatching():
        clock.now += 0.25
    with progress.finishing():
        clock.now += 0.75
    expected = {
        "images_per_second": 1.0,
        "device_images_per_second": 2.0,
        "data_wait": 0.0,
    }
    assert progress.measure(1).metrics() == expected


def test_the_speed_of_the_devices_leaves_out_what_the_host_does_meanwhile(clock):
    progress = Progress(10, batch_size=4, clock=clock)
    for _ in range(3):
        with progress.waiting_for_data():
            clock.now += 8
        with progress.dispatching():
            clock.now += 0.5
    with progress.finishing():
        clock.now += 1.5
    assert progress.measure(3).device_images_per_second == pytest.approx(2)
    with progress.dispatching():
        clock.now += 0.5
    # Nobody waited for this step.
    assert math.isnan(progress.measure(4).device_images_per_second)


def test_a_batch_of_nothing_is_refused(clock):
    with pytest.raises(ValueError, match=r"batch_size >= 1.* 0"):
        Progress(10, batch_size=0, clock=clock)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.6, "1 min 00 s"),
        (432, "7 min 12 s"),
        (3599.4, "59 min 59 s"),
        (7380, "2 h 03 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_read_well(seconds, text):
    assert format_duration(seconds) == text


def test_a_terminal_without_the_characters_does_not_end_the_run(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_line("step 1 · loss")
    assert raw.getvalue() == b"step 1 ? loss\n"


def test_a_muted_process_prints_no_lines(capsys, monkeypatch):
    monkeypatch.setattr(progress_module, "_is_muted", False)
    print_line("heard")
    progress_module.mute()
    print_line("unheard")
    assert capsys.readouterr().out == "heard\n"
