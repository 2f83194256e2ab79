import argparse
import ast
import json
import os
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fashionjax.bench import __main__ as command
from fashionjax.bench import ceilings, commands, environment, peer
from fashionjax.bench.commands import COMMANDS
from fashionjax.bench.cores import only_cores
from fashionjax.bench.cost import Machine, read_cost
from fashionjax.bench.models import MODELS, Setting
from fashionjax.bench.peer import Worker, summarize
from fashionjax.config_files import load_config
from fashionjax.train.summary import write_run_config
from tests.train.toy import toy

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
TORCH_SIDE = pathlib.Path(peer.__file__).parent / "torch_side"
FAKE_WORKER = """
import json, sys
hello = {"parameters": PARAMETERS, "flops": FLOPS, "version": "torch 0",
         "settings": " ".join(sys.argv[1:]), "start_seconds": 1.0}
print(json.dumps(hello), flush=True)
for line in sys.stdin:
    print(json.dumps({"seconds": 0.5 * int(line)}), flush=True)
"""


@pytest.fixture
def toys(monkeypatch):
    """A toy for every model, on a machine of round numbers; what was measured of it."""
    measured = []

    def machine(dtype):
        measured.append(f"ceilings of {dtype}")
        return Machine(flops=1e9, bytes=1e9)

    def device_memory():
        measured.append("peak")
        return {"peak_mib": 7.0}

    monkeypatch.setattr(Setting, "build", lambda self: toy())  # noqa: ARG005
    monkeypatch.setattr("fashionjax.bench.bounds.machine", machine)
    for what in ("train", "infer"):
        monkeypatch.setattr(f"fashionjax.bench.{what}.device_memory", device_memory)
    return measured


@pytest.fixture
def fake_torch(monkeypatch, tmp_path):
    """Replaces torch's side; returns the function that says how large its model is."""

    def write(parameters, flops=None):
        flops = flops or read_cost(toy(), (16, 8)).flops
        code = FAKE_WORKER.replace("PARAMETERS", str(parameters))
        worker = tmp_path / "worker.py"
        worker.write_text(code.replace("FLOPS", str(flops)))
        monkeypatch.setattr(peer, "_WORKER", worker)

    return write


def _run(capsys, name, *arguments):
    short = ("--size=16x8", "--classes=3", "--steps=2")
    window = () if "--what=input" in arguments else ("--window=1",)
    status = command.main([name, *short, *window, *arguments])
    return status, capsys.readouterr()


def _rows(printed):
    return [json.loads(x) for x in printed.out.splitlines() if x.startswith("{")]


def test_sizes_are_height_by_width():
    assert command.parse_size("288x192") == (288, 192)


@pytest.mark.parametrize("text", ["288", "x192", "288x", "axb", "-1x2"])
def test_a_wrong_size_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="288x192"):
        command.parse_size(text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_is_measured(name, capsys):
    with pytest.raises(SystemExit, match="0"):
        command.main([name, "--help"])
    assert "Times" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--batch=0", "--steps=x", "--dtype=float8"])
def test_wrong_options_are_refused(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["peer", option])
    assert option.split("=")[1] in capsys.readouterr().err


def test_an_unknown_model_is_told_before_any_is_measured(capsys):
    status, printed = _run(capsys, "train", "--model=unet-resnet34,resnet1")
    assert status == 1
    assert not printed.out
    assert "unknown model 'resnet1'; allowed are " + ", ".join(MODELS) in printed.err


def test_training_is_a_row_for_each_batch(toys, capsys, tmp_path):
    file = tmp_path / "results" / "rows.jsonl"
    status, printed = _run(
        capsys, "train", "--batch=2,4", "--seed=3", "--window=1", f"--out={file}"
    )
    assert status == 0
    rows = _rows(printed)
    assert rows == [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["batch"] for row in rows] == [2, 4]
    row = rows[0]
    assert row["bench"] == "train"
    assert row["seed"] == 3
    assert row["step_ms_p10"] <= row["step_ms"] <= row["step_ms_p90"]
    assert row["images_per_second"] == pytest.approx(2e3 / row["step_ms"])
    work = 2 * 3 * read_cost(toy(), (16, 8)).flops
    assert row["flop_bound_ms"] == pytest.approx(work / 1e6)
    assert row["mfu"] == pytest.approx(row["flop_bound_ms"] / row["step_ms"])
    assert row["tuned_share"] == pytest.approx(row["tuned_ms"] / row["step_ms"])
    assert row["tuned_ms"] > row["roofline_ms"] >= row["flop_bound_ms"]
    assert row["planned_mib"] > 0
    # The peak is not that of the ceilings, which take memory as well.
    assert row["peak_mib"] == 7
    assert toys == 2 * ["peak", "ceilings of float32"]
    for name in ("jax", "jaxlib", "device", "revision", "command", "XLA_FLAGS"):
        assert name in row


@pytest.mark.parametrize("fold", [True, False])
def test_inference_has_latencies(toys, capsys, fold):
    options = ("--batch=1", "--window=2", "--fold" if fold else "--no-fold")
    status, printed = _run(capsys, "infer", *options)
    (row,) = _rows(printed)
    assert status == 0
    assert row["fold"] == fold
    assert row["params"] == 143
    assert 0 < row["latency_ms_p50"] <= row["latency_ms_p99"]
    assert isinstance(row["compile_cached"], bool)
    assert toys == ["peak", "ceilings of float32"]
    assert row["gflop_image"] == pytest.approx(read_cost(toy(), (16, 8)).flops / 1e9)


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize("what", peer.WHAT)
def test_the_peer_is_timed_by_turns(fake_torch, capsys, what):
    fake_torch(143)
    status, printed = _run(
        capsys, "peer", f"--what={what}", "--window=2", "--compile", "--threads=3"
    )
    (row,) = _rows(printed)
    assert status == 0
    # Of windows of two steps.
    assert row["torch_ms"] == 1000
    assert row["params"] == row["torch_params"] == 143
    assert 0 < row["ratio_min"] <= row["ratio"] <= row["ratio_max"]
    assert row["size"] == "16x8"
    given = set(row["torch_settings"].split())
    # The device that jax has, not torch's own choice.
    assert {"--device=cpu", "--compile=default", "--threads=3"} <= given
    assert f"--what={what}" in given


@pytest.mark.usefixtures("toys")
def test_torch_runs_where_jax_does(fake_torch, capsys, monkeypatch):
    fake_torch(143)
    monkeypatch.setattr(peer.jax, "default_backend", lambda: "gpu")
    _, printed = _run(capsys, "peer")
    assert "--device=cuda" in _rows(printed)[0]["torch_settings"].split()


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("hello", "message"),
    [((200,), "143 parameters here and 200"), ((143, 7), "flops here and 7 in torch")],
)
def test_another_model_is_no_peer(fake_torch, capsys, hello, message):
    fake_torch(*hello)
    status, printed = _run(capsys, "peer")
    assert status == 1
    assert message in printed.err


def test_a_peer_that_does_not_start_is_an_error(tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text("import no_such_module")
    with pytest.raises(ValueError, match="ended with status 1"):
        Worker([sys.executable, str(broken)])


def test_ratios_are_summed_up_by_their_median():
    summary = summarize([1.0, 5.0, 2.0])
    assert summary == {"ratio": 2.0, "ratio_min": 1.0, "ratio_max": 5.0}


@pytest.mark.usefixtures("toys")
def test_augmentation_is_a_share_of_the_step(capsys):
    status, printed = _run(capsys, "augment", "--batch=2", "--step_batch=2")
    (row,) = _rows(printed)
    assert status == 0
    assert row["share"] == pytest.approx(row["augment_ms"] / row["step_ms"])


@pytest.mark.usefixtures("toys")
def test_virtual_devices_tell_counts_and_no_times(capsys):
    status, printed = _run(capsys, "scale", "--batch=2", "--devices=2")
    one, two = _rows(printed)
    assert status == 0
    assert (one["devices_used"], two["devices_used"]) == (1, 2)
    assert (one["batch"], two["batch"]) == (2, 4)
    assert one["all_reduce"] == 0
    assert two["all_reduce"] > 0
    assert two["all_gather"] == 0
    # Gradients of all parameters, and a few sums beside them.
    assert two["all_reduce_mib"] > two["params_mib"] > 0
    assert "step_ms" not in two


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("what", "values", "column", "found"),
    [
        ("batch", "4,2", "batch", [2, 4]),
        ("area", "32x16,16x16", "size", ["16x16", "32x16"]),
        ("classes", "5,3", "classes", [3, 5]),
    ],
)
def test_a_curve_is_a_row_for_each_value(capsys, what, values, column, found):
    status, printed = _run(
        capsys, "curves", f"--what={what}", f"--values={values}", "--batch=2"
    )
    rows = _rows(printed)
    assert status == 0
    assert [row[column] for row in rows] == found
    assert {row["what"] for row in rows} == {what}
    assert all(row["step_ms"] > 0 and row["planned_mib"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--what=area", "--values=9"), "error: --values: '9' is no HEIGHTxWIDTH"),
        (("--what=input", "--values=0"), "error: --values: '0' is no number from 1 on"),
        (("--what=input", "--values=9999"), "error: --values=9999; this process may"),
    ],
)
def test_wrong_values_of_a_curve_are_told(capsys, words, message):
    status, printed = _run(capsys, "curves", *words)
    assert status == 1
    assert message in printed.err


@pytest.mark.parametrize("words", [("input",), ("curves", "--what=input")])
def test_photos_are_decoded_each_time(monkeypatch, words):
    """As a first epoch does, and not taken from memory."""
    read = []

    def measure(config, *_, **__):
        read.append(config.data.cache)
        return {}

    monkeypatch.setattr(commands, "measure_input", measure)
    monkeypatch.setattr(commands, "measure_reading", measure)
    config = f"--config={CONFIGS / 'unet.py'}:ccp"
    options = command._parser().parse_args([*words, config])
    for measurement in COMMANDS[options.command](options):
        list(measurement())
    assert set(read) == {False}


def test_rows_tell_the_host_and_what_float32_is(monkeypatch):
    row = environment.environment()
    assert row["host_cores"] == os.cpu_count()
    assert row["matmul_precision"] == "float32"

    class Gpu:
        platform = "gpu"
        compute_capability = "9.0"

    assert environment._matmul_precision(Gpu()) == "TF32"
    monkeypatch.setattr(Gpu, "compute_capability", "7.5")
    assert environment._matmul_precision(Gpu()) == "float32"
    monkeypatch.setattr(Gpu, "compute_capability", "8.0")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert environment._matmul_precision(Gpu()) == "float32"


def test_the_scores_of_a_run_are_a_row(capsys, tmp_path):
    config = load_config(str(CONFIGS / "unet.py"))
    write_run_config(tmp_path, config.to_dict())
    metrics = {"mean_iou": 0.5, "mask_iou": None, "iou/dress": 0.4}
    record = {"num_classes": 9, "step": 70, "num_images": 10, "metrics": metrics}
    record["chose_checkpoint"] = False
    (tmp_path / "eval-test").mkdir()
    (tmp_path / "eval-test/metrics.json").write_text(json.dumps(record))
    assert command.main(["run", str(tmp_path)]) == 0
    (row,) = _rows(capsys.readouterr())
    assert (row["bench"], row["model"], row["dataset"]) == ("run", "unet", "synthetic")
    assert (row["best_step"], row["mean_iou"], row["mask_iou"]) == (70, 0.5, None)
    assert "iou/dress" not in row


def test_a_run_without_scores_is_told(capsys, tmp_path):
    assert command.main(["run", str(tmp_path)]) == 1
    assert "is no run that was evaluated on test" in capsys.readouterr().err


def test_threads_are_kept_to_some_cores():
    before = os.sched_getaffinity(0)
    with only_cores(1), ThreadPoolExecutor(1) as pool:
        seen = pool.submit(os.sched_getaffinity, 0).result()
        assert len(seen) == 1
    assert os.sched_getaffinity(0) == before


def test_no_more_devices_than_there_are(capsys):
    status, printed = _run(capsys, "scale", "--devices=99")
    assert status == 1
    assert "--devices=99; there are 8" in printed.err


def test_ceilings_are_arithmetic_and_bytes(monkeypatch):
    monkeypatch.setattr(ceilings, "_time", lambda *arguments: 0.5)  # noqa: ARG005
    found = ceilings.measure_ceilings("float32", matrix_size=10, copy_bytes=4_000)
    assert found["matmul_tflops"] == 2 * 10**3 / 0.5 / 1e12
    assert found["copy_gb_s"] == 2 * 4_000 / 0.5 / 1e9


def test_the_confusion_matrix_is_timed(capsys):
    status, printed = _run(capsys, "metrics", "--batch=2")
    (row,) = _rows(printed)
    assert status == 0
    pixels = 2 * 16 * 8
    assert row["mpixel_s"] == pytest.approx(pixels / row["confusion_ms"] / 1e3)


def test_torchs_side_is_a_twin_of_every_model():
    tree = ast.parse((TORCH_SIDE / "twins.py").read_text())
    (twins,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and node.target.id == "TWINS"
    )
    assert [key.value for key in twins.keys] == list(MODELS)


def test_torchs_side_needs_torch_alone():
    files = list(TORCH_SIDE.glob("*.py"))
    own = {file.stem for file in files}
    libraries = set().union(*map(_imported, files)) - own
    assert libraries - set(sys.stdlib_module_names) == {
        "segmentation_models_pytorch",
        "timm",
        "torch",
        "torchvision",
    }


def _imported(file):
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    return names
