import os
import pathlib
import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image


@pytest.fixture
def write_ccp(tmp_path):
    """Writes a CCP folder of given photos and returns it and the raw labels."""

    def write(image_ids, size=(12, 9), folder="raw"):
        root = tmp_path / folder
        (root / "photos").mkdir(parents=True)
        (root / "annotations/pixel-level").mkdir(parents=True)
        labels = {}
        for image_id in image_ids:
            rng = np.random.default_rng(int(image_id))
            labels[image_id] = rng.integers(0, 59, size, dtype=np.uint8)
            color = tuple(int(c) for c in rng.integers(0, 256, 3))
            photo = Image.new("RGB", size[::-1], color)
            photo.save(root / f"photos/{image_id}.jpg", quality=95)
            scipy.io.savemat(
                root / f"annotations/pixel-level/{image_id}.mat",
                {"groundtruth": labels[image_id]},
                do_compression=True,
            )
        return root, labels

    return write


@pytest.fixture
def real_ccp(tmp_path):
    """A folder of 30 photos of the real CCP."""
    shared = os.environ.get("FASHIONJAX_TEST_DATA")
    if not shared:
        pytest.skip("FASHIONJAX_TEST_DATA is not set: no real CCP photos")
    source = pathlib.Path(shared).absolute() / "ccp"
    if not source.is_dir():
        pytest.skip(f"{source} does not exist")
    root = tmp_path / "real"
    (root / "photos").mkdir(parents=True)
    (root / "annotations/pixel-level").mkdir(parents=True)
    for photo in sorted((source / "photos").glob("*.jpg"))[:30]:
        label = f"annotations/pixel-level/{photo.stem}.mat"
        shutil.copyfile(photo, root / "photos" / photo.name)
        shutil.copyfile(source / label, root / label)
    return root
