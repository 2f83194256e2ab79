import pytest

from fashionjax.train.workdir import check_writable


def test_a_folder_to_be_made_is_not_made_yet(tmp_path):
    check_writable(tmp_path)
    check_writable(tmp_path / "runs/new")
    assert not list(tmp_path.iterdir())


def test_a_folder_below_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for workdir in (file, file / "run"):
        with pytest.raises(
            ValueError, match=rf"cannot write to {workdir}: .* is a file"
        ):
            check_writable(workdir)


def test_a_relative_folder_is_looked_up_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("")
    with pytest.raises(ValueError, match="runs is a file"):
        check_writable(tmp_path.joinpath("runs/x").relative_to(tmp_path))
