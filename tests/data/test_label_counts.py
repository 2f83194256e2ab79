"""Pixels and photos, counted while preparing, under label maps that come later."""

import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest

from fashionjax.constants import IGNORE_INDEX
from fashionjax.data.__main__ import main
from fashionjax.data.dataset import Dataset
from fashionjax.data.datasets.synthetic import SyntheticSource
from fashionjax.data.images import resize_label
from fashionjax.data.in_memory import InMemory
from fashionjax.data.label_counts import (
    FILE,
    collect,
    count_label,
    read_counts,
    write_counts,
)
from fashionjax.data.label_map_table import (
    count_shares,
    describe_dataset,
    describe_label_map,
)
from fashionjax.data.label_maps import CCP_4, CCP_59, FASHIONPEDIA_47, IMATERIALIST_9
from fashionjax.data.mixture import Mixture
from fashionjax.data.prepare import count_labels, open_split, prepare
from fashionjax.data.synthesize import drawn_photo, synthesize

JUMPSUIT = 11
COUNT = 24


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """iMaterialist 2020, whose scheme keeps photos with a jumpsuit."""
    root = tmp_path_factory.mktemp("counts")
    synthesize("imaterialist2020", root / "raw", COUNT)
    return prepare("imaterialist2020", root / "raw", root / "data")


def _photos(prepared, split):
    ids = json.loads((prepared.directory / "image_ids.json").read_text())[split]
    return [drawn_photo(int(image_id, 16)) for image_id in ids]


def test_counts_are_those_of_the_painted_labels(prepared):
    for split in prepared.num_examples:
        photos = _photos(prepared, split)
        counts = read_counts(prepared.directory, split)
        assert counts.num_photos == len(photos)
        sources, classes = np.zeros((2, 256), np.int64)
        for photo in photos:
            for category in set(photo.category_ids.tolist()):
                shown = photo.masks[photo.category_ids == category].any(axis=0)
                sources[category] += shown.sum()
            if JUMPSUIT not in photo.category_ids:
                label = IMATERIALIST_9.paint(photo.masks, photo.category_ids)
                classes += np.bincount(label.ravel(), minlength=256)
        assert counts.pixels_of_sources().tolist() == sources.tolist()
        assert counts.pixels_of_classes(IMATERIALIST_9).tolist() == classes.tolist()
        assert counts.pixels_of_nothing() == sum(
            (~p.masks.any(axis=0)).sum() for p in photos
        )
        dropped = [JUMPSUIT in p.category_ids for p in photos]
        assert counts.dropped_by(IMATERIALIST_9).tolist() == dropped
        assert counts.has_classes(IMATERIALIST_9).tolist() == [
            [
                any(IMATERIALIST_9.target_of[i] == c for i in p.category_ids.tolist())
                for c in range(9)
            ]
            for p in photos
        ]


@pytest.mark.parametrize("resized", [False, True])
def test_a_label_map_drops_its_photos_under_any_scheme(prepared, resized):
    for split in prepared.num_examples:
        source = open_split(
            "imaterialist2020",
            prepared.data_dir,
            split,
            (30, 20),
            IMATERIALIST_9,
            resized=resized,
        )
        photos = _photos(prepared, split)
        kept = [p for p in photos if JUMPSUIT not in p.category_ids]
        assert len(source) == len(kept) == len([*source])
        again = pickle.loads(pickle.dumps(source))
        for index, photo in enumerate(kept):
            label = IMATERIALIST_9.paint(photo.masks, photo.category_ids)
            expected = resize_label(label, (30, 20))
            np.testing.assert_array_equal(source[index]["label"], expected)
            np.testing.assert_array_equal(again[index]["label"], expected)
        with pytest.raises(IndexError):
            source[len(kept)]
        everything = open_split(
            "imaterialist2020", prepared.data_dir, split, (30, 20), FASHIONPEDIA_47
        )
        assert len(everything) == len(photos)


def test_what_is_dropped_has_to_be_known(prepared, tmp_path):
    folder = tmp_path / "imaterialist2020/random_80_10_10"
    shutil.copytree(prepared.directory, folder / "1.0.0")
    (folder / "1.0.0" / FILE).unlink()
    options = ("imaterialist2020", tmp_path, "train", (30, 20))
    with pytest.raises(
        ValueError, match=r"prepare imaterialist2020 --data_dir=\S+ --s"
    ):
        open_split(*options, IMATERIALIST_9)
    words = ["prepare", "imaterialist2020", f"--data_dir={tmp_path}"]
    assert main([*words, "--split=random_80_10_10"]) == 0
    dropped = [JUMPSUIT in p.category_ids for p in _photos(prepared, "train")]
    assert any(dropped)
    assert len(open_split(*options, IMATERIALIST_9)) == dropped.count(False)
    (folder / "1.0.0" / FILE).unlink()
    metadata = json.loads((folder / "1.0.0/metadata.json").read_text())
    (absent,) = [
        i for i in range(46) if not metadata["categories"]["train"].get(f"{i}")
    ][:1]
    harmless = dataclasses.replace(IMATERIALIST_9, dropped=frozenset({absent}))
    assert len(open_split(*options, harmless)) == len(dropped)
    assert main([*words, "--split=random_80_10_10"]) == 0
    everything = dataclasses.replace(IMATERIALIST_9, dropped=frozenset(range(46)))
    with pytest.raises(ValueError, match="'imaterialist_9' drops all"):
        open_split(*options, everything)


def test_pixels_without_a_label_are_no_class(tmp_path):
    label = np.array([[0, 19, 41, IGNORE_INDEX], [0, 0, 0, 0]], np.uint8)
    counts = collect([count_label(label, ())] * 3)
    write_counts(tmp_path, {"train": counts})
    counts = read_counts(tmp_path, "train")
    classes = counts.pixels_of_classes(CCP_4)
    assert classes[[0, 2, 3, IGNORE_INDEX]].tolist() == [15, 3, 3, 3]
    ignoring = dataclasses.replace(CCP_4, target_of=CCP_4.target_of | {41: 255})
    shares = count_shares(ignoring, [counts])
    assert shares.before[41] == pytest.approx(1 / 7)
    assert shares.after[2] == pytest.approx(1 / 6)
    assert shares.ignored == pytest.approx(2 / 8)
    table = describe_label_map("title", ignoring, [counts]).splitlines()
    assert table[0].split() == ["title", "before", "after", "class"]
    assert table[-2].split() == ["skin", "14.286", "25.000", "no", "label"]
    assert table[-1] == "0 images left out"


def test_a_dataset_of_an_earlier_version_is_counted_once(write_ccp, tmp_path, capsys):
    raw, labels = write_ccp([f"{i:04d}" for i in range(1, 21)])
    done = prepare("ccp", raw, tmp_path / "data")
    before = count_labels(done)
    (done.directory / FILE).unlink()
    words = ["prepare", "ccp", f"--data_dir={tmp_path / 'data'}", "--label_map=ccp_4"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert "Counting the labels of train" in captured.err
    pixels = np.stack([*labels.values()])
    skin = 100 * (pixels == 41).mean()
    line = f"{skin:.3f}"
    assert [w.split() for w in captured.out.splitlines() if w.startswith("skin")] == [
        ["skin", line, line, "skin"]
    ]
    for split, counts in count_labels(done).items():
        np.testing.assert_array_equal(counts.rows, before[split].rows)
        assert counts.stacks == before[split].stacks
    assert main(words) == 0
    assert "Counting" not in capsys.readouterr().err


def test_a_run_tells_what_was_counted(write_ccp, tmp_path):
    raw, labels = write_ccp([f"{i:04d}" for i in range(1, 31)])
    prepare("ccp", raw, tmp_path / "data")

    def opened(resized=()):
        return {
            s: open_split(
                "ccp", tmp_path / "data", s, (6, 4), CCP_4, resized=s in resized
            )
            for s in ("train", "val", "test")
        }

    plain = opened()
    table = describe_dataset(Dataset("ccp", CCP_4, (6, 4), plain))
    counts = [read_counts(s.directory, name) for name, s in plain.items()]
    assert table == describe_label_map("ccp, ccp_4", CCP_4, counts)
    shares = np.bincount(CCP_4.apply(np.stack([*labels.values()])).ravel()) / 30 / 108
    for class_name, share in zip(CCP_4.class_names, shares, strict=True):
        # The first source of a class has what all of them are together.
        (row,) = [
            line.split()
            for line in table.splitlines()[1:-1]
            if line.split()[-1] == class_name and len(line.split()) == 4
        ]
        assert row[2] == f"{100 * share:.3f}"
    twice = {s: plain["val"] for s in ("val", "test")}
    told = describe_dataset(Dataset("ccp", CCP_4, (6, 4), twice))
    assert told == describe_label_map("ccp, ccp_4", CCP_4, [counts[1]])
    kept = {s: InMemory(source) for s, source in opened(resized=["train"]).items()}
    assert describe_dataset(Dataset("ccp", CCP_4, (6, 4), kept)) == table
    mixture = {
        s: Mixture({"one": source, "two": source}) for s, source in plain.items()
    }
    told = describe_dataset(Dataset("mixed", CCP_4, (6, 4), mixture))
    assert told == "\n".join(
        [table.replace("ccp, ccp_4", f"{n}, ccp_4") for n in ("one", "two")]
    )
    (plain["train"].directory / FILE).unlink()
    assert describe_dataset(Dataset("ccp", CCP_4, (6, 4), plain)) == (
        "ccp, ccp_4: pixels are not counted; python -m fashionjax.data prepare ccp"
        f" --data_dir={tmp_path / 'data'} --split=hash_80_10_10 counts them"
    )


def test_drawn_photos_are_not_counted():
    sources = {"train": SyntheticSource("train", 2, (64, 64), IMATERIALIST_9)}
    told = describe_dataset(Dataset("synthetic", IMATERIALIST_9, (64, 64), sources))
    assert told == (
        "synthetic, imaterialist_9: drawn in these classes, so that nothing is mapped"
    )


def test_damaged_counts_are_named(write_ccp, tmp_path):
    raw, _ = write_ccp([f"{i:04d}" for i in range(1, 21)])
    done = prepare("ccp", raw, tmp_path / "data")
    path = done.directory / FILE
    whole = path.read_bytes()
    # Within a member, where unpacking itself fails.
    start = whole.index(b"rows.npy") + len(b"rows.npy") + 40
    spoilt = whole[:start] + bytes(byte ^ 0x5A for byte in whole[start : start + 60])
    spoilt += whole[start + 60 :]
    for damage in (b"", whole[:300], b"text", spoilt):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"cannot read .*label_counts\.npz"):
            read_counts(done.directory, "train")


def test_a_map_of_other_ids_is_refused(write_ccp, tmp_path, capsys):
    raw, _ = write_ccp([f"{i:04d}" for i in range(1, 21)])
    words = ["prepare", "ccp", f"--raw={raw}", f"--data_dir={tmp_path / 'data'}"]
    assert main([*words, "--label_map=imaterialist_9"]) == 1
    assert "'imaterialist_9' is not for ccp" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_all_ids_have_a_row():
    counts = collect([count_label(np.arange(59, dtype=np.uint8)[None], ())])
    table = describe_label_map("ccp_59", CCP_59, [counts]).splitlines()
    assert len(table) == 1 + 59 + 1
    assert {line.split()[-3] for line in table[1:-1]} == {f"{100 / 59:.3f}"}
