"""All real photos of CCP, from their raw files to what training reads."""

import os
import pathlib

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fashionjax.data.__main__ import main
from fashionjax.data.label_maps import CCP_59
from fashionjax.data.prepare import prepare
from fashionjax.data.prepared import PreparedSource


@pytest.fixture
def raw():
    shared = os.environ.get("FASHIONJAX_TEST_DATA")
    if not shared:
        pytest.skip("FASHIONJAX_TEST_DATA is not set: no real CCP photos")
    folder = pathlib.Path(shared) / "ccp"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    return folder


@pytest.mark.slow
def test_every_photo_and_label_is_read_as_it_was_published(raw, tmp_path):
    words = ["ccp", f"--raw={raw}", f"--data_dir={tmp_path}", "--max_bad=0"]
    assert main(["prepare", *words, "--verify"]) == 0
    photos = {path.stem: path for path in (raw / "photos").iterdir()}
    labels = {p.stem: p for p in (raw / "annotations/pixel-level").iterdir()}
    assert photos.keys() == labels.keys()
    done = prepare("ccp", raw, tmp_path)

    found = []
    for split in done.num_examples:
        source = PreparedSource(done.directory, split, None, CCP_59)
        for example in (source[index] for index in range(len(source))):
            image_id = example["image_id"]
            found.append(image_id)
            published = scipy.io.loadmat(labels[image_id])["groundtruth"]
            np.testing.assert_array_equal(example["label"], published, image_id)
            with Image.open(photos[image_id]) as photo:
                pixels = np.asarray(photo.convert("RGB"))
            np.testing.assert_array_equal(example["image"], pixels, image_id)
    assert sorted(found) == sorted(photos)
