"""Checks of the numbers that schedules and optimisers are made from."""

import math


def check_not_negative(**values: float) -> None:
    """Refuses, by name, what is negative or not finite.

    Raises:
        ValueError: If a value is.
    """
    for name, value in values.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{name} is {value}; allowed are finite numbers from 0 on")


def check_positive(**values: float) -> None:
    """Refuses, by name, what is not above 0 or not finite.

    Raises:
        ValueError: If a value is.
    """
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} is {value}; allowed are finite numbers above 0")


def check_whole(name: str, value: int, *, least: int) -> None:
    """Refuses what is not a whole number from `least` on.

    Raises:
        ValueError: If the value is not.
    """
    if not (value >= least and math.isfinite(value) and value == int(value)):
        raise ValueError(
            f"{name} is {value}; allowed are whole numbers from {least} on"
        )
