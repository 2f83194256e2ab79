import pytest

from fashionjax.data.published import DATASETS

PHOTO, ANNOTATION = b"a photo", b"an annotation"
FILES = {
    "ccp": ("photos/0001.jpg", ["annotations/pixel-level/0001.mat"]),
    "imaterialist2019": ("train/1.jpg", ["train.csv", "label_descriptions.json"]),
    "imaterialist2020": ("train/1.jpg", ["train.csv", "label_descriptions.json"]),
    "fashionpedia": (
        "train/1.jpg",
        [f"instances_attributes_{split}2020.json" for split in ("train", "val")],
    ),
    "fashionista": (None, ["fashionista-v1.0.mat"]),
    "fashionista_v02": (None, ["fashionista_v0.2.1.mat"]),
    "cfpd": ("image/1.jpg", ["fashon_parsing_data.mat"]),
}
"""By dataset: a photo, if they are files, and all files of annotations."""


@pytest.mark.parametrize("name", DATASETS)
def test_annotations_are_told_apart_by_content_and_photos_by_size(name, tmp_path):
    photo, annotations = FILES[name]
    contents = {file: ANNOTATION for file in annotations}
    if photo is not None:
        contents[photo] = PHOTO
    for file, content in contents.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(content)
    before = DATASETS[name].fingerprint(tmp_path)
    assert DATASETS[name].fingerprint(tmp_path) == before
    for file, content in contents.items():
        (tmp_path / file).write_bytes(content[::-1])
        changed = DATASETS[name].fingerprint(tmp_path)
        assert (changed != before) == (file in annotations), file
        (tmp_path / file).write_bytes(content + b"\0")
        longer = DATASETS[name].fingerprint(tmp_path)
        assert longer["sha256"] != before["sha256"], file
        (tmp_path / file).write_bytes(content)
