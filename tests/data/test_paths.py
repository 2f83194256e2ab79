import pathlib

import pytest

from fashionjax.data.paths import inside

FOLDER = pathlib.Path("data/train")


@pytest.mark.parametrize("name", ["a.jpg", "sub/a.jpg", "a..jpg", "...jpg", "~a.jpg"])
def test_names_within_the_folder_are_joined(name):
    assert inside(FOLDER, name) == FOLDER / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../a.jpg",
        "sub/../../a.jpg",
        "/etc/passwd",
        "..\\a.jpg",
        "C:\\a.jpg",
        "C:a.jpg",
        "\\\\host\\share\\a.jpg",
        "a\0.jpg",
    ],
)
def test_names_that_leave_the_folder_are_refused(name):
    with pytest.raises(ValueError, match="allowed are names of files within"):
        inside(FOLDER, name)
