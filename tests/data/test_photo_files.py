import pytest

from fashionjax.data.photo_files import PhotoFolder, by_stem, check_inside, list_files


@pytest.fixture
def folder(tmp_path):
    """A folder of photos in that of a dataset."""
    photos = tmp_path / "raw/photos"
    photos.mkdir(parents=True)
    for name in ("a.jpg", "b.JPG", "c.png", "d.jpeg", "d.PNG", "._a.jpg", "e.txt"):
        (photos / name).write_bytes(name.encode())
    (photos / "f.jpg").mkdir()
    return photos


def test_photos_are_listed_whatever_the_case_of_their_ending(folder):
    names = [path.name for path in PhotoFolder(folder, folder.parent).files]
    assert names == ["a.jpg", "b.JPG", "c.png", "d.PNG", "d.jpeg"]
    assert [p.name for p in list_files(folder, [".txt"])] == ["e.txt"]
    assert PhotoFolder(folder / "none", folder).files == []


def test_files_of_a_name_lie_together(folder):
    found = by_stem(PhotoFolder(folder, folder.parent).files)
    assert {stem: len(files) for stem, files in found.items()} == {
        **{"a": 1, "b": 1, "c": 1},
        "d": 2,
    }


@pytest.mark.parametrize(
    ("name", "found"), [("a.jpg", "a.jpg"), ("b.jpg", "b.JPG"), ("c.jpg", "c.png")]
)
def test_a_photo_is_found_with_another_ending(folder, name, found):
    photos = PhotoFolder(folder, folder.parent)
    assert photos.find(name) == folder / found
    assert photos.read(name) == (found.encode(), str(folder / found))


def test_what_is_not_clear_is_no_photo(folder):
    photos = PhotoFolder(folder, folder.parent)
    with pytest.raises(ValueError, match=r"d\.PNG, d\.jpeg could all be .*d\.jpg"):
        photos.find("d.jpg")
    assert photos.find("d.jpeg") == folder / "d.jpeg"
    with pytest.raises(FileNotFoundError, match=r"z\.jpg"):
        photos.read("z.jpg")
    with pytest.raises(ValueError, match="allowed are names of files within"):
        photos.read("../photos/a.jpg")
    with pytest.raises(ValueError, match=r"f\.jpg is a pipe, socket, device or folder"):
        photos.read("f.jpg")


def test_a_folder_within_has_its_own_names(folder):
    (folder / "sub").mkdir()
    (folder / "sub/a.jpg").write_bytes(b"another")
    photos = PhotoFolder(folder, folder.parent)
    assert photos.read("sub/a.jpg")[0] == b"another"
    with pytest.raises(FileNotFoundError):
        photos.read("sub/b.jpg")


def test_photos_that_nobody_names_are_others(folder):
    photos = PhotoFolder(folder, folder.parent)
    named = ["a.jpg", "b.jpg", "d.jpg", "z.jpg", "../a.jpg"]
    assert photos.others(named) == ["c.png", "d.PNG", "d.jpeg"]


def test_links_stay_within_the_dataset(folder, tmp_path):
    root = folder.parent
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (root / "originals").mkdir()
    (root / "originals/x.jpg").write_bytes(b"x")
    (folder / "x.jpg").symlink_to("../originals/x.jpg")
    (folder / "y.jpg").symlink_to(tmp_path / "secret.jpg")
    photos = PhotoFolder(folder, root)
    assert photos.read("x.jpg")[0] == b"x"
    with pytest.raises(ValueError, match=r"is a link to .*secret\.jpg, out of .*raw"):
        photos.read("y.jpg")
    # The folder itself may be elsewhere.
    elsewhere = folder.rename(tmp_path / "disk")
    folder.symlink_to(elsewhere)
    check_inside(folder / "a.jpg", root)
    with pytest.raises(ValueError, match="is a link to"):
        check_inside(folder / "y.jpg", root)
