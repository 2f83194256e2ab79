import json
import re
import sys

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fashionjax.data.__main__ import main
from fashionjax.data.label_maps import IMATERIALIST_9
from fashionjax.data.refine import PATHS, UNREADABLE, read_refined
from fashionjax.data.refine_command import describe_summary
from fashionjax.data.synthesize import drawn_photo, synthesize


@pytest.fixture
def folder(tmp_path):
    """Three photos: one of a person, two of two, of which one needs eyes."""
    root = tmp_path / "raw"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    label = np.zeros((40, 100), np.uint8)
    label[5:35, 40:60] = 4
    found = []
    for name, strangers in {"a": [], "b": [80], "c": [45]}.items():
        Image.new("RGB", (100, 40), (90, 90, 90)).save(root / f"images/{name}.jpg")
        Image.fromarray(label).save(root / f"labels/{name}.png")
        found += [
            {
                "image_id": name,
                "category_id": 1,
                "bbox": [x, 5, 15, 30],
                "score": 0.9,
            }
            for x in (40, *strangers)
        ]
    Image.new("RGB", (100, 40)).save(root / "images/without_label.jpg")
    (tmp_path / "found.json").write_text(json.dumps(found))
    return root


def words(folder, dataset="folder"):
    return [
        "refine",
        dataset,
        f"--raw={folder}",
        f"--detector={folder.parent / 'found.json'}",
        f"--out={folder.parent / 'out'}",
    ]


def test_from_a_folder_to_verdicts(folder, tmp_path, capsys):
    assert main(words(folder)) == 0
    out = tmp_path / "out"
    told = capsys.readouterr().out
    assert f"open {out / 'review.html'} to judge" in told
    assert "left over" in told
    assert "not counted: 1 photo: without_label.jpg\n" in told
    summary = json.loads((out / "summary.json").read_text())
    assert [summary[k] for k in ("images", "whole", "crop_30", "open")] == [3, 1, 1, 1]
    page = (out / "review.html").read_text()
    assert 'data-id="c"' in page
    assert 'data-id="b"' not in page
    assert " checked" not in page

    assert read_refined(out) == {"a": (0, 100), "b": (34, 66), "c": None}
    (out / "review.csv").write_text("image_id,verdict\nc,accept\n")
    before = (out / "decisions.jsonl").read_bytes()
    assert main(words(folder)) == 0
    assert "to judge" not in capsys.readouterr().out
    assert read_refined(out) == {"a": (0, 100), "b": (34, 66), "c": (40, 60)}
    assert (out / "decisions.jsonl").read_bytes() == before
    assert json.loads((out / "summary.json").read_text())["kept"] == 3
    assert 'value="accept" checked' in (out / "review.html").read_text()


def test_ccp_is_read_as_it_is_published(folder, tmp_path):
    old = folder.rename(tmp_path / "old")
    (folder / "photos").mkdir(parents=True)
    (folder / "annotations/pixel-level").mkdir(parents=True)
    for path in (old / "images").glob("?.jpg"):
        path.rename(folder / "photos" / path.name)
        label = np.array(Image.open(old / f"labels/{path.stem}.png"))
        mat = folder / f"annotations/pixel-level/{path.stem}.mat"
        scipy.io.savemat(mat, {"groundtruth": label})
    assert main(words(folder, "ccp")) == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert [summary[k] for k in ("images", "whole", "crop_30", "open")] == [3, 1, 1, 1]


def test_a_folder_tells_labels_without_a_photo(folder, capsys):
    (folder / "images/b.jpg").unlink()
    assert main(words(folder)) == 1
    assert "images/b.jpg" in capsys.readouterr().err
    assert main([*words(folder), "--max_bad=0.5"]) == 0
    assert "  b: [Errno 2] No such file" in capsys.readouterr().out


def test_decisions_have_a_place_of_their_own(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FASHIONJAX_DATA", str(tmp_path / "data"))
    assert main([word for word in words(folder) if "--out" not in word]) == 0
    assert (tmp_path / "data/refined/folder/decisions.jsonl").is_file()


@pytest.mark.parametrize(
    ("replaced", "by", "message"),
    [
        ("found.json", "found.pt", "allowed are .onnx and .json files"),
        ("found.json", "other.json", "cannot read the detections"),
        ("/raw", "/out", "has no images/ and labels/"),
    ],
)
def test_errors_are_told_in_a_line(folder, capsys, replaced, by, message):
    assert main([word.replace(replaced, by) for word in words(folder)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_without_onnxruntime_the_extra_is_named(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    command = words(folder)
    command[3] = f"--detector={tmp_path / 'yolox.onnx'}"
    assert main(command) == 1
    assert "pip install fashionjax[refine]" in capsys.readouterr().err


def test_the_table_has_the_numbers_of_s3_beside_ours():
    summary = dict.fromkeys((*PATHS, UNREADABLE, "rejected", "open"), 0)
    summary |= {"images": 4000, "several_persons": 1000, "accepted": 0, "kept": 3001}
    lines = describe_summary(summary).splitlines()
    assert lines[1].split()[-2:] == ["4,000", "100.00"]
    assert lines[2].split()[-3:] == ["1,000", "25.00", "12,188"]
    assert lines[-1].split() == ["kept", "3,001", "75.03", "43,470"]


def test_instances_are_read_as_they_are_published(tmp_path, capsys):
    raw = tmp_path / "raw"
    synthesize("imaterialist2019", raw, 20)
    found = []
    for number in range(20):
        name = f"{number:032x}"
        columns = np.flatnonzero(
            IMATERIALIST_9.paint(
                drawn_photo(number).masks, drawn_photo(number).category_ids
            ).any(0)
        )
        box = [int(columns[0]), 5, int(columns[-1] - columns[0] + 1), 100]
        found += [
            {"image_id": name, "category_id": 1, "bbox": b, "score": 0.9}
            for b in (box, [0, 0, 2, 9])[: 1 + (number == 4)]
        ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    (raw / "train" / f"{5:032x}.jpg").unlink()
    command = words(raw, "imaterialist2019")
    assert main(command) == 1
    assert "No such file" in capsys.readouterr().err
    assert main([*command, "--max_bad=0.06"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"cannot be read +1 +5\.00\n", told)
    assert re.search(rf"tried again next time:\n  {5:032x}: .*No such file", told)
    page = (tmp_path / "out/review.html").read_text()
    assert "Cannot be read: 1." in page
    kept = read_refined(tmp_path / "out")
    dropped = [i for i in range(20) if 11 in drawn_photo(i).category_ids.tolist()]
    assert len(kept) == 19
    assert {i for i, c in kept.items() if c is None} == {f"{i:032x}" for i in dropped}
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert sum(summary[k] for k in (*PATHS, UNREADABLE)) == summary["images"] == 20
    assert list(summary["reasons"]) == [f"{5:032x}"]
    start, stop = kept[f"{4:032x}"]
    assert 2 <= start < stop
