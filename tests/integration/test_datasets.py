"""The datasets of the configs, from drawn raw files to batches' examples."""

import pickle

import numpy as np
import pytest

from fashionjax import builders
from fashionjax.data.__main__ import main
from fashionjax.data.synthesize import WRITERS, synthesize
from fashionjax.train.loop import train_and_evaluate
from tests.integration.conftest import load_config, shrink

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
    assert COUNT - 3 <= sum(lengths.values()) <= COUNT  # but for jumpsuits
    example = dataset.sources["train"][0]
    assert example["image"].shape == (64, 48, 3)
    assert len(np.unique(example["label"])) > 1


SLOW = ("imaterialist2019",)


@pytest.mark.parametrize(
    "name",
    [
        # Compiling one takes up to a minute: one in every run of the slow tests.
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else pytest.mark.long)
        for name in CONFIG_OF
    ],
)
def test_drawn_raw_files_are_trained_on_for_an_epoch(name, tmp_path):
    assert main(["synthesize", name, f"--raw={tmp_path / 'raw'}", "--count=40"]) == 0
    config = shrink(load_config("unet_ext"))
    config.model.encoder = "resnet18"
    config.data = load_config(CONFIG_OF[name], name).data
    config.data.raw_dir = str(tmp_path / "raw")
    config.data.data_dir = str(tmp_path / "data")
    config.data.image_size = (64, 64)
    config.data.num_threads = 1
    config.num_epochs = 1.0
    result = train_and_evaluate(config, tmp_path / "run")
    test = builders.build_dataset(config.data).sources["test"]
    assert result.num_images == len(test) > 0
    counted = np.load(tmp_path / "run/eval-test/confusion.npy")
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
