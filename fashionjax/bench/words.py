"""What the words of the command line mean; they are read before jax is imported."""

import argparse
from collections.abc import Callable
from typing import Any


def parse_count(text: str) -> int:
    """Reads a number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def parse_index(text: str) -> int:
    """Reads a number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)


def list_of(read: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """Returns the reader of several words between commas."""
    return lambda text: [read(word) for word in text.split(",")]
