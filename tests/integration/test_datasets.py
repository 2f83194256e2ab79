"""The datasets of the configs, from drawn raw files to batches' examples."""

import json
import pathlib
import pickle
import re
import shlex
import sys

import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags

from fashionjax import builders, presets
from fashionjax.augment import NO_AUGMENTATION
from fashionjax.data.__main__ import main
from fashionjax.data.in_memory import InMemory
from fashionjax.data.synthesize import WRITERS, synthesize
from fashionjax.train.loop import train_and_evaluate
from tests.integration.conftest import CONFIGS, load_config

CONFIG_OF = {
    "ccp": "unet_ext",
    "imaterialist2019": "unet_ext",
    "imaterialist2020": "segnet",
    "fashionpedia": "ocrnet",
    "fashionista": "fpn",
    "fashionista_v02": "fpn",
    "cfpd": "fpn",
}
COUNT = 30
DOCUMENT = CONFIGS.parent / "docs/datasets.md"


def _build(config, tmp_path, raw):
    config.data.raw_dir = str(raw)
    config.data.data_dir = str(tmp_path / "data")
    config.data.image_size = (64, 48)
    return builders.build_dataset(config.data)


def test_every_drawn_dataset_has_a_config():
    assert CONFIG_OF.keys() == WRITERS.keys()


@pytest.mark.parametrize("name", CONFIG_OF)
def test_a_config_trains_on_its_documents_raw_files(name, tmp_path):
    synthesize(name, tmp_path / "raw", COUNT)
    config = load_config(CONFIG_OF[name], name)
    dataset = _build(config, tmp_path, tmp_path / "raw")
    assert dataset.name == name
    assert dataset.label_map.name == config.data.label_map
    lengths = {split: len(source) for split, source in dataset.sources.items()}
    assert min(lengths.values()) > 0
    if not dataset.has_test:  # but for what comes twice
        assert dataset.sources["test"] is dataset.sources["val"]
        del lengths["test"]
    assert dataset.has_test == (name != "fashionpedia")
    assert COUNT - 3 <= sum(lengths.values()) <= COUNT  # but for jumpsuits
    example = dataset.sources["train"][0]
    assert example["image"].shape == (64, 48, 3)
    assert len(np.unique(example["label"])) > 1


@pytest.mark.parametrize(
    ("name", "scheme", "counts"),
    [
        ("ccp", "s0_90_10", {"train": 27, "val": 3, "test": 3}),
        ("fashionpedia", "val_halved", {"train": 24, "val": 3, "test": 3}),
    ],
)
def test_a_run_chooses_how_photos_are_divided(tmp_path, name, scheme, counts):
    synthesize(name, tmp_path / "raw", COUNT)
    config = load_config(CONFIG_OF[name], name)
    config.data.split = scheme
    sources = _build(config, tmp_path, tmp_path / "raw").sources
    assert {split: len(source) for split, source in sources.items()} == counts
    config.data.split = "x"
    with pytest.raises(ValueError, match=rf"split 'x'; allowed are .*{scheme}"):
        builders.build_dataset(config.data)


def test_a_run_reads_runs_that_are_counted_from_0(tmp_path):
    synthesize("imaterialist2020", tmp_path / "raw", 12)
    config = load_config("segnet", "imaterialist2020")
    expected = _build(config, tmp_path, tmp_path / "raw").sources["train"]
    table = tmp_path / "raw/train.csv"
    rows = [row.split(",") for row in table.read_text().splitlines()]
    for row in rows[1:]:
        numbers = [int(n) - (i % 2 == 0) for i, n in enumerate(row[1].split())]
        row[1] = " ".join(map(str, numbers))
    table.write_text("".join(",".join(row) + "\n" for row in rows))
    config.data.first_pixel = 0
    found = _build(config, tmp_path, tmp_path / "raw").sources["train"]
    assert len(found) == len(expected)
    for i in range(len(found)):
        np.testing.assert_array_equal(found[i]["label"], expected[i]["label"])


@pytest.mark.parametrize(
    ("choice", "splits"),
    [("none", []), ("train", ["train"]), ("all", ["train", "val", "test"])],
)
@pytest.mark.parametrize("cache", [False, True])
def test_splits_are_read_resized_as_the_config_says(tmp_path, choice, splits, cache):
    synthesize("ccp", tmp_path / "raw", 16)
    config = load_config("unet_ext", "ccp")
    config.data.resized, config.data.cache = choice, cache
    dataset = _build(config, tmp_path, tmp_path / "raw")
    written = {path.parent.name for path in (tmp_path / "data").rglob("index.json")}
    assert written == set(splits)
    for source in dataset.sources.values():
        assert isinstance(source, InMemory) == cache
        assert source[0]["image"].shape == (64, 48, 3)


def test_an_unknown_choice_of_splits_is_refused(tmp_path):
    config = load_config("unet_ext", "ccp")
    config.data.resized = "val"
    with pytest.raises(ValueError, match=r"data\.resized 'val'; allowed are none"):
        _build(config, tmp_path, tmp_path / "raw")


def _documented():
    """The documented config of each dataset, and the commands from nothing to an epoch.

    What is written in capitals is to be replaced.
    """
    text = DOCUMENT.read_text()
    rows = re.findall(r"^\| `(\w+)` \|.*\| `(\w+)` \| [^|]*\|$", text, re.MULTILINE)
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    (block,) = [b for b in blocks if "synthesize" in b and "fashionjax.main" in b]
    commands = block.replace("\\\n", " ").splitlines()
    assert len(commands) == 4
    return dict(rows), [shlex.split(command) for command in commands]


def test_the_document_names_the_config_of_every_dataset():
    assert _documented()[0] == CONFIG_OF


def _run(words, monkeypatch):
    """The config that the flags of a run stand for."""
    values = flags.FlagValues()
    holder = config_flags.DEFINE_config_file("config", flag_values=values)
    # Where ml_collections looks for the keys that are changed.
    monkeypatch.setattr(sys, "argv", ["main", *words])
    values(sys.argv)
    return holder.value


def _shrink(config):
    """The same run with a model that compiles in seconds, and steps of 8 photos."""
    neutral = presets.base()
    with config.unlocked():
        config.model = presets.model("classic_unet", "none", features=(4, 8))
        config.objective = neutral.objective
    config.model.dtype = "float32"
    presets.augment(config, NO_AUGMENTATION)
    config.data.image_size = (64, 48)
    config.data.num_threads = 1
    config.freeze.num_epochs = 0.0
    config.accumulate_steps = 1
    config.batch_size = config.eval_batch_size = 8
    config.num_panels = 1
    return config


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIG_OF)
def test_the_documented_commands_lead_to_an_epoch(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("configs").symlink_to(CONFIGS)
    _, commands = _documented()
    replace = {"DATASET": name, "CONFIG": CONFIG_OF[name]}
    *data, run = [
        [re.sub("DATASET|CONFIG", lambda m: replace[m[0]], word) for word in command]
        for command in commands
    ]
    for python, dash_m, program, *words in data:
        assert (python, dash_m, program) == ("python", "-m", "fashionjax.data")
        few = ["--count=40"] * (words[0] == "synthesize")
        assert main([*words, *few]) == 0
    examined = json.loads(pathlib.Path("doctor/doctor.json").read_text())["datasets"]
    assert run[:3] == ["python", "-m", "fashionjax.main"]
    config = _shrink(_run(run[3:], monkeypatch))
    assert config.num_epochs == 1
    result = train_and_evaluate(config, tmp_path / "run")
    # The epoch was one of the photos that were examined.
    (counts,) = [dataset["num_images"] for dataset in examined]
    written = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert max(json.loads(line)["step"] for line in written) == counts["train"] // 8
    sources = builders.build_dataset(config.data).sources
    # Where nothing is left to test, what validates is evaluated.
    counts.setdefault("test", counts["val"])
    assert {s: len(source) for s, source in sources.items()} == counts
    assert result.num_images == counts["test"]
    assert result.chose_checkpoint == (name == "fashionpedia")
    counted = np.load("run/eval-test/confusion.npy")
    test = sources["test"]
    labels = np.stack([test[i]["label"] for i in range(len(test))])
    true = np.bincount(labels.ravel(), minlength=counted.shape[0])
    np.testing.assert_array_equal(counted.sum(1), true)


def test_a_mixture_has_both_datasets_under_the_same_classes(tmp_path):
    for name in ("ccp", "cfpd"):
        synthesize(name, tmp_path / "raw" / name, COUNT)
    config = load_config("unet_vgg", "ccp4+cfpd4")
    dataset = _build(config, tmp_path, tmp_path / "raw")
    assert dataset.label_map.class_names == ("background", "clothes", "hair", "skin")
    sources = pickle.loads(pickle.dumps(dataset.sources))
    assert sum(map(len, sources.values())) == 2 * COUNT
    for source in sources.values():
        examples = [source[i] for i in range(len(source))]
        folders = {example["image_id"].split("/")[0] for example in examples}
        assert folders == {"ccp", "cfpd"}
        assert all(e["label"].max() < dataset.label_map.num_classes for e in examples)
        for index in (-1, len(source)):
            with pytest.raises(IndexError, match=f"example {index} of {len(source)}"):
                source[index]
    ids = [sources["train"][i]["image_id"] for i in range(len(sources["train"]))]
    assert len(set(ids)) == len(ids)
    # The same drawn person, with the face counted as skin in both.
    found = {e["image_id"]: e["label"] for s in sources.values() for e in s}
    np.testing.assert_array_equal(found["ccp/0001"], found["cfpd/0001"])
