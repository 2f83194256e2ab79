"""Files of records, written so that nothing that is finished is lost.

A file appears under its name when it is whole and on disk, and its summary after it.
Whoever is killed and begins again writes the files that have no summary, and no other.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from fashionjax.data.parallel import map_in_order
from fashionjax.data.progress import progress

T = TypeVar("T")

_SUMMARY = ".summary.json"


@dataclasses.dataclass(frozen=True)
class Shard(Generic[T]):
    """A file to write.

    Attributes:
        file: Its name.
        items: What to make its records from.
    """

    file: str
    items: Sequence[T]


def divide(
    items: Sequence[T], size: int, name: Callable[[int, int], str]
) -> list[Shard[T]]:
    """Divides items among files.

    Args:
        items: In the order of their records.
        size: Items a file; the last one takes the rest.
        name: The name of a file from its number, counted from 0, and the number of all.
    """
    starts = range(0, len(items), size)
    return [
        Shard(name(number, len(starts)), items[start : start + size])
        for number, start in enumerate(starts)
    ]


@dataclasses.dataclass(frozen=True)
class Written:
    """A file that was written.

    Attributes:
        file: Its name.
        num_records: How many records it has.
        num_bytes: What the records have together, before the file compresses them.
        sha256: Of the whole file, in hexadecimal digits.
    """

    file: str
    num_records: int
    num_bytes: int
    sha256: str


def write_shards(
    folder: pathlib.Path,
    shards: Sequence[Shard[T]],
    make: Callable[[T], tuple[bytes | None, Any]],
    seen: Callable[[T, Any], None],
    *,
    title: str,
    options: str = "group_size:1",
) -> list[Written]:
    """Writes ArrayRecord files, all but those that are there already.

    Args:
        folder: Where they lie and come to lie, for this caller alone.
        shards: All files of it.
        make: From an item to its record, None for none, and a note on it that JSON
            gives back as it was. Called by several threads.
        seen: Told every item and its note, in order, also those of finished files;
            what it raises ends the writing.
        title: For the progress line.
        options: Of ArrayRecord.

    Returns:
        All files, in order. `remove_summaries` takes the traces of work away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    finished = {s.file for s in shards if _summary(folder, s.file).exists()}
    if finished:
        print(
            f"{title}: going on; {len(finished)} of {len(shards)} files are there",
            file=sys.stderr,
        )
    items = [item for s in shards if s.file not in finished for item in s.items]
    made = map_in_order(make, items)
    results = progress(made, len(items), title) if items else made
    written = []
    for shard in shards:
        summary = _summary(folder, shard.file)
        if shard.file in finished:
            for item, note in zip(
                shard.items, json.loads(summary.read_text())["notes"], strict=True
            ):
                seen(item, note)
        else:
            _write(folder, shard, results, seen, options)
        written.append(Written(**json.loads(summary.read_text())["written"]))
    next(results, None)  # so that the progress line comes to its end
    return written


def remove_summaries(folder: pathlib.Path) -> None:
    """Removes what is only there to go on from."""
    for path in folder.glob(f"*{_SUMMARY}"):
        path.unlink()


def sha256_of(path: pathlib.Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: pathlib.Path, text: str) -> None:
    """Writes a file so that it is there in full or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text)
    _publish(part, path)


def unreadable_records(path: pathlib.Path, num_records: int) -> list[int]:
    """Tries all records of a file, each of which has a hash of its own.

    Args:
        path: The file; it may be missing.
        num_records: How many it should have.

    Returns:
        The numbers of those that cannot be read, from 0 on.
    """
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    records = ArrayRecordDataSource(f"{path}[0:{num_records}]")

    def is_lost(number: int) -> bool:
        try:
            records[number]
        except (RuntimeError, ValueError, IndexError):
            return True
        return False

    return [number for number in range(num_records) if is_lost(number)]


def _write(
    folder: pathlib.Path,
    shard: Shard[T],
    results: Iterator[tuple[bytes | None, Any]],
    seen: Callable[[T, Any], None],
    options: str,
) -> None:
    """Writes a file and its summary."""
    from array_record.python.array_record_module import ArrayRecordWriter

    part = folder / f"{shard.file}.part"
    writer = ArrayRecordWriter(str(part), options)
    notes, num_records, num_bytes = [], 0, 0
    try:
        # Asked for an item first, `zip` takes no result that is another file's.
        for item, (record, note) in zip(shard.items, results, strict=False):
            seen(item, note)
            notes.append(note)
            if record is not None:
                writer.write(record)
                num_records += 1
                num_bytes += len(record)
    finally:
        writer.close()
    _publish(part, folder / shard.file)
    written = Written(
        shard.file, num_records, num_bytes, sha256_of(folder / shard.file)
    )
    summary = {"written": dataclasses.asdict(written), "notes": notes}
    write_whole(_summary(folder, shard.file), json.dumps(summary))


def _publish(part: pathlib.Path, path: pathlib.Path) -> None:
    """Renames a file once it is on disk, so that its name means it is whole."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def _summary(folder: pathlib.Path, file: str) -> pathlib.Path:
    return folder / f"{file}{_SUMMARY}"
