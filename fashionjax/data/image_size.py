"""Image sizes as they are written on a command line."""

import argparse


def parse_size(text: str) -> tuple[int, int]:
    """Reads (height, width) from "288x192".

    Raises:
        argparse.ArgumentTypeError: It is not of that form.
    """
    height, separator, width = text.partition("x")
    if not (separator and height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no HEIGHTxWIDTH, such as 288x192"
        )
    return int(height), int(width)
