import ast
import json
import pathlib
import sys

import numpy as np
import pytest
from PIL import Image

from fashionjax.bench import __main__ as command
from fashionjax.bench import crf
from fashionjax.bench.crf import make_case

CRF_SIDE = pathlib.Path(crf.__file__).parent / "crf_side"
FAKE_WORKER = """
import argparse, json, sys
import numpy as np
parser = argparse.ArgumentParser()
parser.add_argument("--case"), parser.add_argument("--result")
options, others = parser.parse_known_args()
np.save(options.result, np.load(options.case)["probs"])
print(json.dumps({"version": " ".join(others)}), flush=True)
for line in sys.stdin:
    print(json.dumps({"seconds": 0.5 * int(line)}), flush=True)
"""


def _run(capsys, *arguments):
    shape = ("--size=64x64", "--classes=3", "--steps=2", "--gaussian_sxy=1")
    status = command.main(["crf", *shape, *arguments])
    printed = capsys.readouterr()
    rows = [json.loads(x) for x in printed.out.splitlines() if x.startswith("{")]
    return status, rows, printed.err


def test_tables_and_iterations_are_timed_apart(capsys):
    status, (row,), _ = _run(capsys, "--num_iterations=2")
    assert status == 0
    assert (row["size"], row["classes"], row["batch"]) == ("64x64", 3, 1)
    assert (row["gaussian_sxy"], row["num_iterations"]) == (1, 2)
    assert row["build_ms"] > 0
    assert row["iterations_ms"] > 0
    assert row["images_per_second"] == pytest.approx(1e3 / row["image_ms"])
    assert "ratio" not in row


def test_the_peer_takes_turns_on_the_same_image(capsys, tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text(FAKE_WORKER)
    monkeypatch.setattr(crf, "_WORKER", worker)
    peer = f"--peer_python={sys.executable}"
    status, (row,), _ = _run(capsys, "--num_iterations=2", peer)
    assert status == 0
    assert row["peer_ms"] == 500
    assert row["ratio_min"] <= row["ratio"] <= row["ratio_max"]
    # The fake returns what it was given.
    assert row["labels_equal"] == pytest.approx(1 - row["changed"])
    given = set(row["peer"].split())
    assert {"--gaussian_sxy=1.0", "--num_iterations=2"} <= given


def test_a_peer_that_does_not_start_is_told(capsys, tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text("import no_such_module")
    monkeypatch.setattr(crf, "_WORKER", worker)
    peer = f"--peer_python={sys.executable}"
    status, rows, errors = _run(capsys, "--num_iterations=2", peer)
    assert (status, rows) == (1, [])
    assert "pydensecrf2's side ended with status 1" in errors


def test_a_photo_is_resized(tmp_path):
    file = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    Image.fromarray(pixels).save(file)
    image, probs = make_case(
        batch_size=2, image_size=(50, 36), num_classes=4, photo=file
    )
    assert image.shape == (2, 50, 36, 3)
    assert probs.shape == (2, 50, 36, 4)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs.sum(-1), 1, rtol=1e-5)


def test_the_peers_side_needs_its_library_alone():
    tree = ast.parse((CRF_SIDE / "worker.py").read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert names - set(sys.stdlib_module_names) == {"numpy", "pydensecrf"}
