import pytest
from PIL import Image

from fashionjax.doctor.raw_files import read_raw_files


def _photo(path, width, height, orientation=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(path, exif=exif)


def test_sizes_by_id_upright(tmp_path):
    _photo(tmp_path / "photos/1.jpg", 30, 50)
    _photo(tmp_path / "photos/2.jpg", 30, 50, orientation=6)
    _photo(tmp_path / "labels/1.png", 9, 9)
    _photo(tmp_path / "photos/3.png", 20, 10)
    _photo(tmp_path / "photos/other.jpg", 20, 10)
    found = read_raw_files(tmp_path, ["1", "2", "3.png", "4"])
    assert found.sizes == {"1": (50, 30), "2": (30, 50), "3.png": (10, 20)}
    assert found.num_others == 1
    assert found.problems == []


def test_files_that_are_no_photo_or_not_the_only_one_are_told(tmp_path):
    _photo(tmp_path / "good.jpg", 30, 50)
    _photo(tmp_path / "a/twice.jpg", 30, 50)
    _photo(tmp_path / "b/twice.jpg", 30, 50)
    (tmp_path / "text.jpg").write_text("no photo")
    found = read_raw_files(tmp_path, ["good", "twice", "text"])
    assert found.sizes == {"good": (50, 30)}
    assert {(p.kind, p.image_id) for p in found.problems} == {
        ("several raw files", "twice"),
        ("unreadable raw file", "text"),
    }
    assert "a/twice.jpg, b/twice.jpg" in {p.reason for p in found.problems}


def test_folders_without_a_photo_of_the_dataset_are_refused(tmp_path):
    _photo(tmp_path / "other.jpg", 30, 50)
    with pytest.raises(ValueError, match=r"no photo of the dataset, .* \['a"):
        read_raw_files(tmp_path, ["a"])
    with pytest.raises(ValueError, match="missing is no folder"):
        read_raw_files(tmp_path / "missing", ["a"])
