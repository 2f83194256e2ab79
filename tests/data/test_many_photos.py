"""As many photos as the largest datasets have: memory, files and pages stay in bounds.

    python -m pytest tests/data/test_many_photos.py -m long -s

prints what each step took.
"""

import itertools
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from fashionjax.data.synthesize import WRITERS
from fashionjax.data.synthetic import render_photo

NAME = "imaterialist2019"
SCENES = 1_000
FEW, MANY = 9_000, 45_000
TWINS = 40
"""Photos that are there twice, and photos that are there again but for a few pixels."""

JUMPSUIT = 11


def _photos(count):
    """Photos of few scenes, each with a light and a size of its own."""
    rng = np.random.default_rng(0)
    scenes = [render_photo(seed, (128, 96)) for seed in range(min(SCENES, count))]
    scenes = [scene for scene in scenes if JUMPSUIT not in scene.category_ids]
    for number in range(count - 2 * TWINS):
        scene = scenes[number % len(scenes)]
        height, width = (int(side * rng.uniform(0.75, 1)) for side in (128, 96))
        blots = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
        light = Image.fromarray(blots).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        image = (scene.image[:height, :width] >> 1) + (np.asarray(light) >> 1)
        masks = scene.masks[:, :height, :width]
        seen = masks.any((1, 2))
        photo = scene._replace(
            image=image, masks=masks[seen], category_ids=scene.category_ids[seen]
        )
        yield photo
        if number < TWINS:
            other = image.copy()
            other[:4, :4] ^= 255
            yield photo
            yield photo._replace(image=other)


_COMMAND = r"""
import pathlib, re, sys, time
from fashionjax.data.__main__ import main
status = main(sys.argv[1:])
memory = pathlib.Path("/proc/self/status").read_text()
print(time.process_time(), re.search(r"VmHWM:\s*(\d+) kB", memory)[1])
sys.exit(status)
"""
"""What the system knows of a child's memory includes its parent's."""


def _run(*words):
    """Runs a command and returns the most memory that it took, in MiB."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    cpu, kilobytes = map(float, done.stdout.splitlines()[-1].split())
    wall, memory = time.monotonic() - start, kilobytes / 1024
    print(f"{words[0]}: {wall:.0f} s, {cpu:.0f} s of CPU, {memory:.0f} MiB")
    return memory


def _examine(folder, count):
    """Prepares and examines drawn photos; returns the most memory of each."""
    raw, data, out = folder / "raw", folder / "data", folder / "doctor"
    raw.mkdir(parents=True)
    WRITERS[NAME](raw, enumerate(_photos(count)))
    print(f"\n{count} photos, train.csv of {(raw / 'train.csv').stat().st_size} bytes")
    words = [NAME, f"--data_dir={data}"]
    memory = [
        _run("prepare", *words, f"--raw={raw}"),
        _run("doctor", *words, f"--out={out}"),
    ]
    (directory,) = (data / NAME).glob("*/1.0.0")
    ids = json.loads((directory / "image_ids.json").read_text())
    everything = sorted(itertools.chain(*ids.values()))
    assert everything == [f"{i:032x}" for i in range(count)]
    for split, members in ids.items():
        files = list(directory.glob(f"{NAME}-{split}.array_record-*"))
        assert len(files) == -(-len(members) // 200)
    found = json.loads((out / "doctor.json").read_text())
    (dataset,) = found["datasets"]
    assert dataset["num_images"] == {split: len(i) for split, i in ids.items()}
    assert len(found["duplicates"]["exact"]) == TWINS
    assert len(found["duplicates"]["near"]) >= TWINS
    size = (out / "index.html").stat().st_size
    print(f"index.html: {size} bytes, {len(found['duplicates']['near'])} near pairs")
    assert size < 20_000_000
    return memory


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_grows_by_a_few_kilobytes_a_photo(tmp_path):
    few = _examine(tmp_path / "few", FEW)
    many = _examine(tmp_path / "many", MANY)
    for before, after, kilobytes in zip(few, many, (6, 20), strict=True):
        assert after - before < (MANY - FEW) * kilobytes / 1024
