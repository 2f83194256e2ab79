"""How the names and layouts of published weights become those of our modules."""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

Layout: TypeAlias = Literal["same", "conv", "transposed", "linear", "linear_chw"]
"""How a tensor of torch's is laid out.

- "same": as ours: vectors, and everything of Keras;
- "conv": `[out, in / groups, height, width]`;
- "transposed": of a transposed convolution, `[in, out, height, width]`;
- "linear": `[out, in]`;
- "linear_chw": `[out, in]` after flattening `[channels, height, width]`.
"""


@dataclasses.dataclass(frozen=True)
class Rule:
    r"""What becomes of the tensors of one published module.

    Attributes:
        pattern: Regular expression of the whole name of a published module: the name of
            a tensor without its last part ("layer1.0.conv1").
        path: Path of our module, its parts separated by "/", with groups of the pattern
            as `\1`; None where we have no such module and its tensors are dropped.
        layout: Layout of its kernel; None for what its rank tells: "conv" for 4 axes,
            "linear" for 2, "same" for 1.
        map_size: (height, width) that "linear_chw" flattens.
    """

    pattern: str
    path: str | None
    layout: Layout | None = None
    map_size: tuple[int, int] | None = None


Rules: TypeAlias = tuple[Rule, ...]
"""The first rule whose pattern matches counts."""


def prefixed(rules: Iterable[Rule], name: str, path: str) -> Rules:
    """The rules of a module inside another.

    Args:
        rules: Rules of the module by itself.
        name: What the published names then begin with ("encoder.").
        path: What our paths then begin with ("encoder/").

    Returns:
        Rules for the names and paths with these prefixes.
    """
    return tuple(
        dataclasses.replace(
            rule,
            pattern=re.escape(name) + f"(?:{rule.pattern})",
            path=None if rule.path is None else path + rule.path,
        )
        for rule in rules
    )


def find_rule(rules: Sequence[Rule], module: str) -> tuple[Rule, str | None] | None:
    """The rule for a published module and the path it leads to; None without a rule."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, module)
        if match:
            path = None if rule.path is None else match.expand(rule.path)
            return rule, path
    return None
