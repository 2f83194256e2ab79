"""What a run is, told at its start: devices, versions, parameters, memory, config."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from fashionjax.train.state import TrainState

PACKAGES = (
    "fashionjax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "tensorflow-datasets",
    "numpy",
)
"""Packages whose versions decide whether a run can be repeated."""

MAIN = "python -m fashionjax.main"
"""How every run is started."""

_PARTS = ("encoder", "tag_branch", "box_branch")
"""Top-level modules that the table of parameters lists on their own."""


def versions() -> dict[str, str]:
    """Returns the versions of Python and `PACKAGES`; `not installed` for a lack."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _git(folder: Path, *arguments: str) -> str | None:
    """Runs git; None where git is absent, fails or takes longer than 10 s."""
    # Inside a git hook these name the hook's repository instead of the folder's.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            env=environment,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def git_revision(folder: Path | None = None) -> str | None:
    """Returns the commit that the code comes from.

    Args:
        folder: Folder with the code; None: this package.

    Returns:
        The commit's hash, followed by `-dirty` where tracked files are changed. None
        outside a checkout; also for a package that is installed below somebody
        else's checkout and not tracked there.
    """
    folder = Path(__file__).resolve().parents[1] if folder is None else folder
    if _git(folder, "ls-files", "--error-unmatch", ".") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def devices() -> list[dict[str, str | int]]:
    """Returns `platform`, `kind` and `count` for each kind of device of the run."""
    kinds = Counter((d.platform, d.device_kind) for d in jax.devices())
    return [
        {"platform": platform, "kind": kind, "count": count}
        for (platform, kind), count in kinds.items()
    ]


def device_text() -> str:
    """Names the devices in words, such as `8 × NVIDIA H200 (gpu), 2 processes`."""
    names = [f"{d['count']} × {d['kind']} ({d['platform']})" for d in devices()]
    if jax.process_count() > 1:
        names.append(f"{jax.process_count()} processes")
    return ", ".join(names)


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a tree of arrays is.

    Attributes:
        tensors: Number of arrays.
        elements: Numbers in them.
        bytes: Size of one copy.
    """

    tensors: int
    elements: int
    bytes: int

    def __add__(self, other: "Size") -> "Size":
        """Sums field by field."""
        return Size(
            self.tensors + other.tensors,
            self.elements + other.elements,
            self.bytes + other.bytes,
        )


def tree_size(tree: Any) -> Size:
    """Sums up the arrays of a tree; `jax.ShapeDtypeStruct` counts as an array."""
    total = Size(0, 0, 0)
    for leaf in jax.tree.leaves(tree):
        if not hasattr(leaf, "shape"):
            leaf = np.asarray(leaf)
        elements = math.prod(leaf.shape)
        total += Size(1, elements, elements * leaf.dtype.itemsize)
    return total


def format_bytes(size: int) -> str:
    """Writes a size with three digits, in B, kB, MB, GB or TB (powers of 1000)."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligns the first column left, the others right; a rule above the last row."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if position else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    ]
    rule = "─" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def parameter_table(params: Mapping[str, Any]) -> str:
    """Lists the parameters by part of the model.

    Args:
        params: Linen's `params` collection, as arrays or `jax.ShapeDtypeStruct`.

    Returns:
        Lines of part, tensors, parameters and bytes, and the total. What is neither
        the encoder nor a branch is one part, since decoders have many blocks.
    """
    sizes: dict[str, Size] = {}
    order = sorted(params, key=lambda name: (*_PARTS, name).index(name))
    for name in order:
        part = name.replace("_", " ") if name in _PARTS else "decoder and head"
        sizes[part] = sizes.get(part, Size(0, 0, 0)) + tree_size(params[name])
    sizes["total"] = sum(sizes.values(), Size(0, 0, 0))
    rows = [
        (name, f"{s.tensors:,}", f"{s.elements:,}", format_bytes(s.bytes))
        for name, s in sizes.items()
    ]
    return _table(("part", "tensors", "parameters", "size"), rows)


def memory_table(
    *,
    params: Any,
    batch_stats: Any,
    opt_state: Any,
    batch: Any = None,
) -> str:
    """Lists what the training keeps in memory.

    Args:
        params: Parameters.
        batch_stats: Running statistics of the normalisation layers.
        opt_state: State of the optimiser.
        batch: One whole batch, all devices together; None leaves the line out.

    Returns:
        Lines of part and bytes; the total is one copy of the trees. What a compiled
        step needs on each device is told by `memory.describe_memory`.
    """
    trees = {
        "parameters": params,
        "batch statistics": batch_stats,
        "optimiser state": opt_state,
    }
    if batch is not None:
        trees["batch"] = batch
    sizes = {name: tree_size(tree).bytes for name, tree in trees.items()}
    total = sum(sizes.values())
    rows = [(name, format_bytes(size)) for name, size in sizes.items()]
    name = "total of state" if batch is None else "total of state and batch"
    rows.append((name, format_bytes(total)))
    return _table(("memory", "size"), rows)


def startup_text() -> str:
    """Returns the lines on devices, versions and revision that a run begins with."""
    names = ", ".join(f"{name} {version}" for name, version in versions().items())
    return "\n".join(
        [
            f"devices   {device_text()}",
            f"versions  {names}",
            f"revision  {git_revision() or 'not a git checkout'}",
        ]
    )


def scale_text(
    config: ConfigDict, num_steps: int, num_examples: Mapping[str, int]
) -> str:
    """Says how large and how long a run is.

    Args:
        config: The whole configuration.
        num_steps: Updates of the whole run.
        num_examples: Number of examples by split.
    """
    height, width = config.data.image_size
    scale = "the document's run" if _is_document_run(config) else config.scale
    return (
        f"{scale}, {num_examples['train']:,} images, {height}×{width},"
        f" {num_steps:,} steps"
    )


def dataset_text(
    config: ConfigDict, num_steps: int, num_examples: Mapping[str, int]
) -> str:
    """Says what a run trains on and, if it is another, how to get the document's run.

    Args:
        config: The whole configuration.
        num_steps: Updates of the whole run.
        num_examples: Number of examples by split.
    """
    scale = scale_text(config, num_steps, num_examples)
    text = f"Training on `{config.dataset}` ({scale})."
    if _is_document_run(config):
        return text
    return f"{text} The document's run: {MAIN} {config.document_run}"


def _is_document_run(config: ConfigDict) -> bool:
    return config.document_run.endswith(f":{config.dataset}")


def describe_run(
    state: TrainState,
    config: ConfigDict,
    num_steps: int,
    num_examples: Mapping[str, int],
) -> str:
    """Returns everything that a run prints before its first step.

    Args:
        state: Training state, arrays or shapes.
        config: The whole configuration.
        num_steps: Updates of the whole run.
        num_examples: Number of examples by split; without `test` if that is `val`.
    """
    size = (config.batch_size, *config.data.image_size)
    memory = memory_table(
        params=state.params,
        batch_stats=state.batch_stats,
        opt_state=state.opt_state,
        batch=[
            jax.ShapeDtypeStruct((*size, 3), np.uint8),
            jax.ShapeDtypeStruct(size, np.uint8),
        ],
    )
    examples = ", ".join(f"{count:,} {split}" for split, count in num_examples.items())
    examples += "" if "test" in num_examples else " (also to test)"
    lines = [
        dataset_text(config, num_steps, num_examples),
        startup_text(),
        f"batch     {config.batch_size} images over {jax.device_count()} device(s)",
        f"examples  {examples}",
    ]
    return "\n\n".join(["\n".join(lines), parameter_table(state.params), memory])


def _plain(value: Any) -> Any:
    """Turns what configurations hold into JSON values, infinite numbers into text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [_plain(item) for item in items]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def write_run_config(
    workdir: str | os.PathLike[str],
    config: Mapping[str, Any],
    resolved: Mapping[str, Any] | None = None,
) -> Path:
    """Writes `config.json`: what one needs to know to run it again.

    Args:
        workdir: Folder of the run; created.
        config: The configuration, nested.
        resolved: What else was settled at the start, by name.

    Returns:
        The file, with `config`, what was settled, `versions`, `git_revision` (null
        outside a checkout), `devices` and `process_count`.

    Raises:
        OSError: If the file cannot be written.
    """
    record = {
        "config": config,
        **(resolved or {}),
        "versions": versions(),
        "git_revision": git_revision(),
        "devices": devices(),
        "process_count": jax.process_count(),
    }
    path = Path(workdir) / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_plain(record), indent=2, ensure_ascii=False)
    unfinished = path.with_name("config.json.unfinished")
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(path)
    return path
