"""What the operations of a compiled program are, and which layer they belong to."""

import re
from typing import NamedTuple

from fashionjax.ops.counted_arithmetic import is_mark

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?(?P<name>[\w.\-]+) \(.*\{\s*$")
_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<type>\(.*?\)|\S+) (?P<opcode>[\w\-]+)\("
)
_CALLED = re.compile(r"calls=%?(?P<name>[\w.\-]+)")
_TARGET = re.compile(r'custom_call_target="(?P<name>[^"]*)"')
_OP_NAME = re.compile(r'op_name="(?P<name>[^"]*)"')

CONTAINERS = frozenset({"call", "while", "conditional", "async-start", "async-done"})
"""Operations whose time is that of the operations inside."""

KINDS = (
    "convolution",
    "product",
    "reduction",
    "elementwise",
    "copy",
    "collective",
    "other",
)
PASSES = ("forward", "backward", "update")

# In a fusion the first kind that one of its operations has is that of the whole.
_KIND_OF: dict[str, str] = {
    "convolution": "convolution",
    "dot": "product",
    "reduce": "reduction",
    "reduce-window": "reduction",
    "select-and-scatter": "reduction",
    "scatter": "other",
    "gather": "other",
    "sort": "other",
    "custom-call": "other",
    "copy": "copy",
    "copy-start": "copy",
    "copy-done": "copy",
    "transpose": "copy",
    "concatenate": "copy",
    "pad": "copy",
    "slice": "copy",
    "dynamic-slice": "copy",
    "dynamic-update-slice": "copy",
    "bitcast": "copy",
    "reshape": "copy",
    "broadcast": "copy",
    "parameter": "copy",
    "constant": "copy",
    "tuple": "copy",
    "get-tuple-element": "copy",
}
_COLLECTIVE = re.compile(r"all-reduce|all-gather|all-to-all|reduce-scatter|collective-")
_ORDER = ("collective", "convolution", "product", "other", "reduction", "elementwise")


class Operation(NamedTuple):
    """An operation of a compiled program.

    Attributes:
        opcode: As HLO names it.
        kind: One of `KINDS`; of a fusion, that of its most costly part.
        part: One of `PASSES`: of the model, of its gradient, or of all else.
        layer: Names of the modules, from the model inwards; empty outside of it.
    """

    opcode: str
    kind: str
    part: str
    layer: str


def read_operations(text: str) -> dict[str, Operation]:
    """Reads the operations of a program.

    Args:
        text: The program, as `compiled.as_text()` writes it.

    Returns:
        Each operation by its name, those inside of fusions too.
    """
    lines: list[tuple[str, str, re.Match[str], str]] = []
    inside: dict[str, list[str]] = {}
    computation = ""
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            computation = match["name"]
        elif match := _INSTRUCTION.match(line):
            kind = _kind_of_line(match["opcode"], line)
            inside.setdefault(computation, []).append(kind)
            lines.append((computation, kind, match, line))
    operations = {}
    for _, own, match, line in lines:
        called = _CALLED.search(line)
        kind = own
        if match["opcode"] == "fusion" and called:
            kind = _most_costly(inside.get(called["name"], []))
        op_name = _OP_NAME.search(line)
        part, layer = _place(op_name["name"] if op_name else "")
        operations[match["name"]] = Operation(match["opcode"], kind, part, layer)
    return operations


def _kind_of_line(opcode: str, line: str) -> str:
    if _COLLECTIVE.match(opcode):
        return "collective"
    if opcode == "custom-call" and (target := _TARGET.search(line)):
        name = target["name"].lower()
        if "conv" in name:
            return "convolution"
        if "gemm" in name or "matmul" in name or "dot" in name:
            return "product"
    return _KIND_OF.get(opcode, "elementwise")


def _most_costly(kinds: list[str]) -> str:
    return next((kind for kind in _ORDER if kind in kinds), "copy")


def _place(op_name: str) -> tuple[str, str]:
    """The pass and the layer of "jit(step)/transpose(jvp(UNet))/encoder/conv1/…"."""
    names = op_name.split("/")
    for index, name in enumerate(names):
        if name.startswith("transpose(jvp("):
            return "backward", _layer(names[index + 1 : -1])
        # Without a gradient, modules are known by their classes' names.
        if name.startswith("jvp(") or name[:1].isupper():
            return "forward", _layer(names[index + 1 : -1])
    return "update", ""


def _layer(names: list[str]) -> str:
    """Without marks, methods, calls and branches of platforms, which are no modules."""
    return "/".join(
        name
        for name in names
        if not (name == "cond" or is_mark(name) or re.search(r"[.(]|^branch_", name))
    )
