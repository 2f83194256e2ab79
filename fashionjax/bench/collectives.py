"""What devices tell each other in a compiled program."""

import math
import re
from collections import Counter

NAMES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
)

# "= (f32[8]{0}, f32[]) all-reduce(": a result's type, then the operation; where it
# begins and ends apart, its beginning.
_OPERATION = re.compile(rf"= (?P<type>.*?) (?P<name>{'|'.join(NAMES)})(?:-start)?\(")
_ARRAY = re.compile(r"(?P<type>pred|[a-z]+\d+)\w*\[(?P<shape>[\d,]*)\]")


def count_collectives(text: str) -> dict[str, int]:
    """Counts the collective operations of a program, by name.

    Args:
        text: The program, as `compiled.as_text()` writes it.
    """
    counts = Counter(match["name"] for match in _OPERATION.finditer(text))
    return {name: counts[name] for name in NAMES}


def all_reduce_bytes(text: str) -> int:
    """Bytes of all results of all-reduces: what every device has to send and receive.

    Args:
        text: The program, as `compiled.as_text()` writes it.
    """
    return sum(
        _size(array)
        for match in _OPERATION.finditer(text)
        if match["name"] == "all-reduce"
        for array in _ARRAY.finditer(match["type"])
    )


def _size(array: re.Match[str]) -> int:
    bits = re.search(r"\d+", array["type"])
    itemsize = max(1, int(bits.group()) // 8) if bits else 1
    return itemsize * math.prod(int(n) for n in array["shape"].split(",") if n)
