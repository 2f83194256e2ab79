import json

import numpy as np
import pytest

from fashionjax.data.__main__ import main
from fashionjax.data.label_maps import (
    CCP_59,
    CFPD_23,
    FASHIONISTA_25,
    FASHIONISTA_56,
    FASHIONPEDIA_47,
    IMATERIALIST_9,
)
from fashionjax.data.prepare import open_split, prepare
from fashionjax.data.synthesize import SIZES, drawn_photo, synthesize
from fashionjax.data.synthetic import street
from fashionjax.data.synthetic.ccp import ccp_label

COUNT = 20
JUMPSUIT = 11


def _instances(label_map):
    return lambda photo: label_map.paint(photo.masks, photo.category_ids)


LABELS = {
    "ccp": (CCP_59, ccp_label, 1),
    "imaterialist2019": (IMATERIALIST_9, _instances(IMATERIALIST_9), 0),
    "imaterialist2020": (FASHIONPEDIA_47, _instances(FASHIONPEDIA_47), 0),
    "fashionpedia": (FASHIONPEDIA_47, _instances(FASHIONPEDIA_47), 0),
    "fashionista": (FASHIONISTA_25, street.fashionista_label, 1),
    "fashionista_v02": (FASHIONISTA_56, street.fashionista_v02_label, 1),
    "cfpd": (CFPD_23, street.cfpd_label, 1),
}
"""By dataset: label map, what a photo's label must be, number of the first photo."""


@pytest.mark.parametrize("name", LABELS)
def test_what_was_drawn_is_read_back_pixel_for_pixel(name, tmp_path):
    label_map, label_of, first = LABELS[name]
    raw, data = tmp_path / "raw", tmp_path / "data"
    words = [name, f"--raw={raw}"]
    assert main(["synthesize", *words, f"--count={COUNT}"]) == 0
    assert main(["prepare", *words, f"--data_dir={data}", "--verify"]) == 0
    found = set()
    done = prepare(name, raw, data)
    metadata = json.loads((done.directory / "metadata.json").read_text())
    assert metadata["photos"]["found"] == COUNT
    for split in done.num_examples:
        for size in SIZES:
            source = open_split(name, data, split, size, label_map)
            for index in range(len(source)):
                example = source[index]
                base = 10 if first else 16
                number = int(example["image_id"], base) - first
                photo = drawn_photo(number)
                if photo.image.shape[:2] != size:
                    continue
                found.add(number)
                np.testing.assert_array_equal(example["label"], label_of(photo))
                difference = example["image"].astype(int) - photo.image
                assert np.abs(difference).mean() < 3
    dropped = {
        number
        for number in range(COUNT)
        if not label_map.dropped.isdisjoint(drawn_photo(number).category_ids.tolist())
    }
    assert found == set(range(COUNT)) - dropped


def test_nothing_is_overwritten_or_left_half(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="exists; name a folder that does not"):
        synthesize("ccp", tmp_path, 2)
    for count in (0, 10_000):
        with pytest.raises(ValueError, match=rf"count {count}; allowed is 1\.\.9999"):
            synthesize("ccp", tmp_path / "raw", count)
    with pytest.raises(ValueError, match="dataset 'x'; allowed are ccp"):
        synthesize("x", tmp_path / "raw", 1)
    monkeypatch.setattr("fashionjax.data.synthesize.render_photo", None)
    with pytest.raises(TypeError):
        synthesize("ccp", tmp_path / "raw", 2)
    assert list(tmp_path.iterdir()) == []
