import json

import pytest
from array_record.python.array_record_module import ArrayRecordReader

from fashionjax.data.shards import (
    Written,
    divide,
    remove_summaries,
    sha256_of,
    write_shards,
)

NUMBERS = list(range(11))


def _make(number):
    return (None if number in (4, 7) else b"%d" % number * 100), [number]


class Writing:
    """Writes the numbers four a file, and can be ended at one of them."""

    def __init__(self, folder):
        self.folder = folder
        self.made = []
        self.notes = []

    def __call__(self, end=None):
        def make(number):
            self.made.append(number)
            return _make(number)

        def seen(number, note):
            if number == end:
                raise KeyboardInterrupt
            self.notes.append((number, note))

        shards = divide(NUMBERS, 4, lambda i, n: f"{i}-of-{n}")
        return write_shards(self.folder, shards, make, seen, title="numbers")


def _files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _records(path):
    reader = ArrayRecordReader(str(path))
    return [reader.read([i])[0] for i in range(reader.num_records())]


def test_records_are_divided_in_order(tmp_path):
    written = Writing(tmp_path)()
    expected = [[0, 1, 2, 3], [5, 6], [8, 9, 10]]
    for number, (file, numbers) in enumerate(zip(written, expected, strict=True)):
        path = tmp_path / f"{number}-of-3"
        records = [_make(n)[0] for n in numbers]
        assert _records(path) == records
        assert file == Written(
            path.name, len(records), sum(map(len, records)), sha256_of(path)
        )
    remove_summaries(tmp_path)
    assert set(_files(tmp_path)) == {file.file for file in written}


@pytest.mark.parametrize("end", NUMBERS)
def test_whoever_goes_on_has_what_the_unbroken_has(tmp_path, end):
    unbroken = Writing(tmp_path / "unbroken")
    expected = unbroken()
    first = Writing(tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        first(end)
    second = Writing(tmp_path / "broken")
    assert second() == expected
    assert second.made == NUMBERS[end // 4 * 4 :]  # no finished file is made again
    assert second.notes == unbroken.notes
    assert _files(tmp_path / "broken") == _files(tmp_path / "unbroken")


def test_it_tells_that_it_goes_on(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        Writing(tmp_path)(5)
    capsys.readouterr()
    Writing(tmp_path)()
    going_on, line = capsys.readouterr().err.splitlines()
    assert going_on == "numbers: going on; 1 of 3 files are there"
    assert line.startswith("numbers: 7/7 in ")


def test_a_record_that_cannot_be_made_ends_it(tmp_path):
    def make(number):
        if number == 5:
            raise ValueError("number 5 is bad")
        return _make(number)

    shards = divide(NUMBERS, 4, lambda i, n: f"{i}-of-{n}")
    with pytest.raises(ValueError, match="number 5 is bad"):
        write_shards(tmp_path, shards, make, lambda *_: None, title="numbers")
    assert (tmp_path / "0-of-3").exists()
    assert not (tmp_path / "1-of-3").exists()


def test_a_file_without_its_summary_is_written_again(tmp_path):
    Writing(tmp_path)()
    before = _files(tmp_path)
    (tmp_path / "1-of-3.summary.json").unlink()
    (tmp_path / "1-of-3").write_bytes(b"half")
    again = Writing(tmp_path)
    again()
    assert again.made == [4, 5, 6, 7]
    assert _files(tmp_path) == before
    assert json.loads(before["1-of-3.summary.json"])["notes"] == [[4], [5], [6], [7]]
