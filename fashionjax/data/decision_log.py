"""A file of JSON lines that survives being stopped at any moment."""

import fcntl
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

_SETTINGS = "settings"


class DecisionLog:
    """Appends records to a file, whose first line tells the settings they stand for.

    A line is written in one piece; what is left of one that a full disk or a power cut
    cut off is removed when the file is opened again. One process at a time.

    Attributes:
        records: Those that were in the file when it was opened.
    """

    def __init__(self, path: pathlib.Path, settings: Mapping[str, Any]) -> None:
        """Opens the file, or makes it.

        Args:
            path: The file; its folder exists.
            settings: What the records depend on.

        Raises:
            ValueError: The file has other settings or is damaged, or another process
                has it open.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _lock(self._file, path)
            whole = path.read_bytes()
            complete = whole[: whole.rfind(b"\n") + 1]
            os.ftruncate(self._file, len(complete))
            if not complete:
                self.append({_SETTINGS: settings})
            found, self.records = _parse(complete, path) if complete else (settings, [])
            if found != settings:
                raise ValueError(
                    f"{path} was made with {json.dumps(found)}, this is"
                    f" {json.dumps(settings)}; choose another folder, or delete it"
                )
        except BaseException:
            os.close(self._file)
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Writes a record.

        Raises:
            OSError: The disk is full or broken.
        """
        line = json.dumps(record, ensure_ascii=False).encode() + b"\n"
        if os.write(self._file, line) != len(line):
            raise OSError(f"only a part of {record} could be written")

    def __enter__(self) -> "DecisionLog":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def read_log(path: pathlib.Path) -> list[dict[str, Any]]:
    """Reads the records of a log.

    Raises:
        ValueError: It does not exist or is damaged.
    """
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read the decisions {path}: {error}") from error
    return _parse(whole[: whole.rfind(b"\n") + 1], path)[1]


def _lock(file: int, path: pathlib.Path) -> None:
    """Takes a lock that the system releases when the process ends in any way."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ValueError(f"another process writes {path}") from error


def _parse(data: bytes, path: pathlib.Path) -> tuple[Any, list[dict[str, Any]]]:
    """The settings and the records."""
    values = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number} is no JSON: {error}") from error
        if number > 1 and not isinstance(value, dict):
            raise ValueError(f"{path}, line {number} is no object: {value!r}")
        values.append(value)
    if not values or _SETTINGS not in values[0]:
        raise ValueError(f"{path} does not begin with its settings")
    return values[0][_SETTINGS], values[1:]
