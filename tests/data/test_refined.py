import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image

from fashionjax import builders
from fashionjax.data.__main__ import main
from fashionjax.data.datasets import ccp
from fashionjax.data.decision_log import DecisionLog
from fashionjax.data.label_maps import CCP_59, IMATERIALIST_9
from fashionjax.data.prepare import open_split, prepare
from fashionjax.data.prepared import PreparedSource
from fashionjax.data.refine import DECISIONS_FILE, DROPPED, REVIEW, WHOLE, Decision
from fashionjax.data.splitting import sizes_of
from fashionjax.data.stratified import s3_sizes
from fashionjax.data.synthesize import drawn_photo, synthesize
from tests.integration.conftest import load_config

IDS = [f"{i:04d}" for i in range(1, 31)]
SIZE = (12, 30)
CROPS = {"0003": ("crop_30", (4, 25)), "0005": ("crop_0", (0, 7))}
LEFT_OVER = ("0008", "0009")


def _decision(image_id, path=WHOLE, columns=(0, SIZE[1]), size=SIZE):
    return Decision(image_id, path, columns, size, (1,), ())


def _usual():
    """Two photos are cropped, two are left over, all others are whole."""
    found = {image_id: _decision(image_id) for image_id in IDS}
    found |= {i: _decision(i, path, columns) for i, (path, columns) in CROPS.items()}
    return found | {i: _decision(i, REVIEW, (2, 9)) for i in LEFT_OVER}


def _write(folder, decisions):
    folder.mkdir(exist_ok=True)
    with DecisionLog(folder / DECISIONS_FILE, {"detector": "none"}) as log:
        for decision in decisions.values():
            log.append(dataclasses.asdict(decision))
    return folder


@pytest.fixture
def ccp_and_decisions(write_ccp, tmp_path):
    raw, labels = write_ccp(IDS, SIZE)
    return raw, labels, _write(tmp_path / "decisions", _usual())


def _examples(done, **options):
    """All examples by id, and the split of each."""
    found, split_of = {}, {}
    for split in done.num_examples:
        source = PreparedSource(done.directory, split, None, CCP_59, **options)
        for example in source:
            found[example["image_id"]] = example
            split_of[example["image_id"]] = split
    return found, split_of


def test_photos_and_labels_are_cropped_and_left_out(ccp_and_decisions, tmp_path):
    raw, labels, decisions = ccp_and_decisions
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(raw / "photos/0005.jpg", format="PNG")
    done = prepare("ccp", raw, tmp_path / "data", refined_dir=decisions)
    assert done.directory == tmp_path / "data/ccp/hash_80_10_10_refined/1.0.0"
    found, split_of = _examples(done)
    assert sorted(found) == [i for i in IDS if i not in LEFT_OVER]
    assert all(ccp.hash_split(i) == split for i, split in split_of.items())
    for image_id, example in found.items():
        start, stop = CROPS.get(image_id, ("", (0, SIZE[1])))[1]
        np.testing.assert_array_equal(
            example["label"], labels[image_id][:, start:stop], strict=True
        )
        assert example["image"].shape == (SIZE[0], stop - start, 3)
        photo = np.asarray(Image.open(raw / f"photos/{image_id}.jpg"))
        atol = 2 if image_id == "0003" else 0  # the only JPEG that is written anew
        np.testing.assert_allclose(
            example["image"].astype(int), photo[:, start:stop], atol=atol
        )
    recorded = json.loads((done.directory / "metadata.json").read_text())["raw"]
    assert [recorded[k] for k in ("whole", "cropped", "left_out")] == [26, 2, 2]
    assert recorded == done.raw
    assert len(recorded["decisions_sha256"]) == 64


def test_what_is_refined_is_compared_with_the_raw_files(
    ccp_and_decisions, tmp_path, capsys
):
    raw, _, decisions = ccp_and_decisions
    scheme = "--split=hash_80_10_10_refined"
    words = ["prepare", "ccp", f"--raw={raw}", f"--data_dir={tmp_path}", scheme]
    assert main([*words, f"--refined={decisions}", "--verify"]) == 0
    told = capsys.readouterr().out
    assert "28 photos and their labels are those of the raw files" in told
    assert main([*words, "--verify"]) == 1
    assert "without its decisions: --refined=DIR" in capsys.readouterr().err


def test_a_photo_on_its_side_is_cropped_as_it_is_seen(ccp_and_decisions, tmp_path):
    raw, _, decisions = ccp_and_decisions
    upright = np.zeros((*SIZE, 3), np.uint8)
    upright[:, :7] = (200, 100, 50)
    exif = Image.Exif()
    exif[0x0112] = 6  # a viewer turns it by 90 degrees, clockwise
    stored = Image.fromarray(np.rot90(upright))
    file = io.BytesIO()
    stored.save(file, "JPEG", exif=exif, quality=95, subsampling=0)
    (raw / "photos/0005.jpg").write_bytes(file.getvalue())
    done = prepare("ccp", raw, tmp_path / "data", refined_dir=decisions)
    image = _examples(done)[0]["0005"]["image"]
    assert image.shape == (SIZE[0], 7, 3)
    np.testing.assert_allclose(image.mean((0, 1)), (200, 100, 50), atol=6)


def test_base_and_refined_lie_side_by_side(ccp_and_decisions, tmp_path):
    raw, labels, decisions = ccp_and_decisions
    refined = prepare("ccp", raw, tmp_path / "data", refined_dir=decisions)
    base = prepare("ccp", raw, tmp_path / "data")
    assert (sum(base.num_examples.values()), base.scheme) == (30, "hash_80_10_10")
    assert sum(refined.num_examples.values()) == 28
    np.testing.assert_array_equal(_examples(base)[0]["0003"]["label"], labels["0003"])
    for scheme, ids in (
        (base.scheme, IDS),
        (refined.scheme, [i for i in IDS if i not in LEFT_OVER]),
    ):
        source = open_split(
            "ccp", tmp_path / "data", "train", (5, 4), CCP_59, scheme=scheme
        )
        train = [i for i in ids if ccp.hash_split(i) == "train"]
        assert [e["image_id"] for e in source] == train


def test_the_name_of_refined_photos_finds_them(ccp_and_decisions, tmp_path):
    raw, _, decisions = ccp_and_decisions
    options = {"data_dir": tmp_path / "data", "scheme": "hash_80_10_10_refined"}
    with pytest.raises(ValueError, match="decisions are needed: --refined=DIR"):
        prepare("ccp", raw, **options)
    first = prepare("ccp", raw, **options, refined_dir=decisions)
    again = prepare("ccp", **options)
    assert (first.fresh, again.fresh) == (True, False)
    assert first.directory == again.directory
    words = ["prepare", "ccp", f"--data_dir={tmp_path / 'data'}", "--verify"]
    assert main([*words, "--split=hash_80_10_10_refined"]) == 0


def test_what_is_kept_is_divided_by_the_scheme(ccp_and_decisions, tmp_path):
    raw, _, decisions = ccp_and_decisions
    options = {"scheme": ccp.S0_SPLIT, "refined_dir": decisions}
    done = prepare("ccp", raw, tmp_path / "data", **options)
    assert done.num_examples == {"train": 25, "val": 3}
    expected = ccp.split_ids([i for i in IDS if i not in LEFT_OVER], ccp.S0_SPLIT)
    _, split_of = _examples(done)
    assert {i for i, split in split_of.items() if split == "val"} == {*expected["val"]}


def test_other_decisions_are_refused_unless_overwritten(ccp_and_decisions, tmp_path):
    raw, _, decisions = ccp_and_decisions
    options = {"raw_dir": raw, "data_dir": tmp_path / "data"}
    first = prepare("ccp", **options, refined_dir=decisions)
    assert not prepare("ccp", **options, refined_dir=decisions).fresh
    (decisions / "review.csv").write_text("image_id,verdict\n0008,accept\n")
    message = r"2 left_out .*1 left_out .*--overwrite"
    with pytest.raises(ValueError, match=message):
        prepare("ccp", **options, refined_dir=decisions)
    with pytest.raises(ValueError, match=message):
        prepare("ccp", data_dir=tmp_path / "data", refined_dir=decisions)
    done = prepare("ccp", **options, refined_dir=decisions, overwrite=True)
    assert sum(done.num_examples.values()) == 29
    assert done.raw["decisions_sha256"] != first.raw["decisions_sha256"]
    assert _examples(done)[0]["0008"]["label"].shape == (SIZE[0], 7)


def test_decisions_may_go_after_preparation(ccp_and_decisions, tmp_path, capsys):
    raw, _, decisions = ccp_and_decisions
    prepare("ccp", raw, tmp_path / "data", refined_dir=decisions)
    decisions.rename(tmp_path / "elsewhere")
    done = prepare("ccp", raw, tmp_path / "data", refined_dir=decisions)
    assert sum(done.num_examples.values()) == 28
    assert f"{decisions} is gone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"0004": None}, "no decision on 0004: give the command refine again"),
        (
            {"0004": _decision("0004", size=(12, 31), columns=(0, 31))},
            r"keeps columns 0\.\.31 of 0004 at \(12, 31\) .* is \(12, 30\)",
        ),
        ({"0004": _decision("0004", "crop_0", (9, 31))}, r"keeps columns 9\.\.31"),
        ({"0004": _decision("0004", "crop_0", (-3, 9))}, r"keeps columns -3\.\.9"),
        ({"0004": _decision("0004", "crop_0", (9, 9))}, r"keeps columns 9\.\.9"),
    ],
)
def test_photos_that_do_not_fit_their_decisions_are_left_out(
    write_ccp, tmp_path, change, reason
):
    raw, _ = write_ccp(IDS, SIZE)
    changed = {i: d for i, d in (_usual() | change).items() if d is not None}
    options = {"refined_dir": _write(tmp_path / "decisions", changed)}
    with pytest.raises(ValueError, match=reason):
        prepare("ccp", raw, tmp_path / "data", **options)
    done = prepare("ccp", raw, tmp_path / "data", **options, max_bad_fraction=0.04)
    assert list(done.quarantine) == ["0004"]


def test_decisions_on_other_photos_are_refused(ccp_and_decisions, tmp_path):
    raw, _, decisions = ccp_and_decisions
    with pytest.raises(ValueError, match="cannot read the decisions"):
        prepare("ccp", raw, tmp_path / "data", refined_dir=tmp_path / "nothing")
    (raw / "annotations/pixel-level/0007.mat").unlink()
    with pytest.raises(ValueError, match="is of other photos: '0007' and 0 more"):
        prepare("ccp", raw, tmp_path / "data", refined_dir=decisions)
    assert not list((tmp_path / "data").rglob("dataset_info.json"))


def test_a_run_uses_the_crops_of_instances(tmp_path, capsys):
    raw, count = tmp_path / "raw", 24
    synthesize("imaterialist2019", raw, count)
    photos = {f"{i:032x}": drawn_photo(i) for i in range(count)}
    kept = {i: p for i, p in photos.items() if 11 not in p.category_ids}
    names = sorted(kept)
    decisions = {
        i: _decision(i, columns=(0, p.image.shape[1]), size=p.image.shape[:2])
        for i, p in kept.items()
    }
    cut = {names[3]: (60, 130), names[5]: (70, 120)}
    for image_id, columns in cut.items():
        size = decisions[image_id].size
        decisions[image_id] = _decision(image_id, "crop_0", columns, size)
    rejected = names[7]
    size = decisions[rejected].size
    decisions[rejected] = _decision(rejected, REVIEW, (0, 9), size)
    folder = _write(tmp_path / "decisions", decisions)
    words = [f"--raw={raw}", f"--data_dir={tmp_path / 'data'}", f"--refined={folder}"]
    assert main(["prepare", "imaterialist2019", *words]) == 0
    told = capsys.readouterr().out
    assert f"{len(names) - 3} photos are whole, 2 cropped, 1 left out" in told

    config = load_config("unet_ext", "imaterialist2019")
    config.data.data_dir = str(tmp_path / "data")
    config.data.refined_dir = str(folder)
    config.data.image_size = (64, 48)
    sources = builders.build_dataset(config.data).sources
    sizes = [len(sources[split]) for split in ("train", "val", "test")]
    assert sizes == list(s3_sizes(len(names) - 1))
    examples = {e["image_id"]: e for source in sources.values() for e in source}
    assert sorted(examples) == [i for i in names if i != rejected]
    directory = tmp_path / "data/imaterialist2019/s3_70_9_21_refined/1.0.0"
    seen = {}
    for split in sources:
        source = PreparedSource(directory, split, None, IMATERIALIST_9)
        for example in source:
            image_id = example["image_id"]
            photo = photos[image_id]
            columns = slice(*cut.get(image_id, (None, None)))
            expected = IMATERIALIST_9.paint(photo.masks, photo.category_ids)
            np.testing.assert_array_equal(example["label"], expected[:, columns])
            within = photo.masks[:, :, columns].any((1, 2))
            for category in set(photo.category_ids[within].tolist()):
                seen.setdefault(split, {}).setdefault(str(category), 0)
                seen[split][str(category)] += 1
    metadata = json.loads((directory / "metadata.json").read_text())
    assert metadata["categories"] == seen


def test_refined_photos_are_divided_by_any_scheme(tmp_path):
    """The random scheme has the photos with a jumpsuit, on which S3 decides nothing."""
    raw, count = tmp_path / "raw", 24
    synthesize("imaterialist2019", raw, count)
    photos = {f"{i:032x}": drawn_photo(i) for i in range(count)}
    dropped = {i for i, p in photos.items() if p.category_ids.tolist().count(11)}
    decisions = {
        i: _decision(
            i,
            DROPPED if i in dropped else WHOLE,
            columns=(0, p.image.shape[1]),
            size=p.image.shape[:2],
        )
        for i, p in photos.items()
    }
    assert dropped
    folder = _write(tmp_path / "decisions", decisions)
    found = {}
    for scheme in ("random_80_10_10", "s3_70_9_21"):
        done = prepare(
            "imaterialist2019",
            raw,
            tmp_path / "data",
            scheme=scheme,
            refined_dir=folder,
        )
        found[scheme] = done.num_examples
        assert not done.quarantine
        ids = json.loads((done.directory / "image_ids.json").read_text())
        assert {i for part in ids.values() for i in part} == photos.keys() - dropped
    num_kept = count - len(dropped)
    expected = sizes_of(num_kept, {"train": 80, "val": 10, "test": 10})
    assert found["random_80_10_10"] == {s: n for s, n in expected.items() if n}
    assert list(found["s3_70_9_21"].values()) == list(s3_sizes(num_kept))
