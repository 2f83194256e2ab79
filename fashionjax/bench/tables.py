"""Tables of the benchmark's page: what its rows say and no chart shows."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from fashionjax.bench.results import Row
from fashionjax.bench.run import SCORES
from fashionjax.report.markup import text

_NUM_LAYERS = 3
"""Slowest layers of a model that are shown, of those in its row."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells under names.

    Attributes:
        names: Of the columns.
        rows: A cell for each column.
    """

    names: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class _Kind:
    """What the table of a command shows.

    Attributes:
        title: Above it.
        note: A sentence about it.
        keys: Columns that tell rows apart; of equal ones the last counts.
        values: Columns of what was measured, by their keys.
    """

    title: str
    note: str
    keys: Sequence[str]
    values: Mapping[str, str]


_KINDS: Mapping[str, _Kind] = {
    "ceilings": _Kind(
        "Ceilings",
        "What a large matrix product and a pass over memory reach",
        ("matrix_size",),
        {"matmul_tflops": "product, TFLOP/s", "copy_gb_s": "copy, GB/s"},
    ),
    "train": _Kind(
        "Training in numbers",
        "Shares of the ceilings and of the roofline; the largest memory; compiling with"
        " an empty cache and with what that left",
        ("model", "size", "batch"),
        {
            "step_ms": "ms a step",
            "mfu": "MFU",
            "roofline_share": "roofline",
            "planned_mib": "MiB planned",
            "peak_mib": "MiB at the peak",
            "compile_cold_s": "compiled, s",
            "compile_warm_s": "again, s",
        },
    ),
    "infer": _Kind(
        "Inference in numbers",
        "Latencies are those of single calls: the median and the slowest hundredth",
        ("model", "size", "batch", "fold"),
        {
            "latency_ms_p50": "ms, median",
            "latency_ms_p99": "ms, p99",
            "mfu": "MFU",
            "roofline_share": "roofline",
            "planned_mib": "MiB planned",
            "peak_mib": "MiB at the peak",
        },
    ),
    "peer": _Kind(
        "Beside torch in numbers",
        "The ratio is ours over torch's: the median of the turns, the least, the most",
        ("model", "size", "batch", "what", "torch_mode"),
        {
            "ours_ms": "ours, ms",
            "torch_ms": "torch's, ms",
            "ratio": "ratio",
            "ratio_min": "least",
            "ratio_max": "most",
        },
    ),
    "e2e": _Kind(
        "End to end in numbers",
        "Waiting: the share of the time in which the loop waited for a batch",
        ("model", "dataset", "size", "batch", "input"),
        {
            "images_per_second": "loop, images/s",
            "bare_images_per_second": "bare step, images/s",
            "ratio": "ratio",
            "data_wait": "waiting",
        },
    ),
    "profile": _Kind(
        "What a device does in a step",
        "Busy: the share of the time in which it did anything; named: the share of that"
        " work whose operation the profiler tells",
        ("model", "batch", "size", "what", "XLA_FLAGS"),
        {
            "step_ms": "ms a step",
            "operations": "kernels",
            "busy_share": "busy",
            "named_share": "named",
            "graph_launches": "CUDA graphs",
        },
    ),
    "scale": _Kind(
        "Several devices",
        "The batch a device stays the same; on virtual devices there are no times",
        ("model", "size", "batch_device", "devices_used", "XLA_FLAGS"),
        {
            "images_per_second": "images/s",
            "efficiency": "efficiency",
            "all_reduce": "all-reduces",
            "all_gather": "all-gathers",
            "all_reduce_mib": "MiB reduced",
            "params_mib": "MiB of parameters",
        },
    ),
    "crf": _Kind(
        "Dense CRF",
        "Times of the batch, but for those of an image; ratio: ours over pydensecrf2's",
        ("batch", "size", "classes", "bilateral_sxy", "bilateral_srgb"),
        {
            "build_ms": "tables, ms",
            "iterations_ms": "iterations, ms",
            "image_ms": "ms an image",
            "images_per_second": "images/s",
            "peer_ms": "pydensecrf2, ms an image",
            "ratio": "ratio",
            "labels_equal": "labels equal",
        },
    ),
    "metrics": _Kind(
        "Confusion matrix",
        "Of a batch, as every evaluation step counts it",
        ("batch", "size", "classes"),
        {"confusion_ms": "ms", "mpixel_s": "million pixels a second"},
    ),
    "augment": _Kind(
        "Augmentation",
        "Milliseconds an image; share: preparation with augmentation over the step",
        ("model", "batch", "size"),
        {
            "step_ms": "step",
            "prepare_ms": "preparation",
            "augment_ms": "with augmentation",
            "share": "share",
        },
    ),
    "run": _Kind(
        "Scores of finished runs",
        "On the split test; val: whether its images also chose the checkpoint",
        ("model", "encoder", "pretrained", "dataset", "size", "classes", "epochs"),
        {
            "test_images": "images",
            "test_is_val": "val",
            **{name: name.replace("_", " ") for name in SCORES},
        },
    ),
}
"""By command."""


def tables_of(command: str, rows: Sequence[Row]) -> Iterable[tuple[str, str, Table]]:
    """Chooses what to show of the rows of a command.

    Args:
        command: Its name.
        rows: All of one device.

    Yields:
        Title, a sentence about it, and the table.
    """
    if command in _KINDS and rows:
        kind = _KINDS[command]
        shown = {name: name.replace("_", " ") for name in kind.keys} | dict(kind.values)
        # Such as the ratio to a peer that was not there.
        shown = {
            key: name
            for key, name in shown.items()
            if any(row.get(key) not in (None, "") for row in rows)
        }
        last = {tuple(row.get(key) for key in kind.keys): row for row in rows}
        cells = [[_cell(row.get(key)) for key in shown] for row in last.values()]
        if not shown.keys().isdisjoint(kind.values):
            yield kind.title, kind.note, Table(list(shown.values()), cells)
    if command == "profile" and rows:
        yield _slowest(rows)


def _slowest(rows: Sequence[Row]) -> tuple[str, str, Table]:
    names = ("layer", "pass", "kind", "ms", "share")
    last = {
        tuple(row.get(key) for key in _KINDS["profile"].keys): row
        for row in rows
        # A CUDA graph's kernels may have come without names.
        if row.get("slowest")
    }
    cells = [
        [row["model"], str(row["batch"]), *(_cell(layer[name]) for name in names)]
        for row in last.values()
        for layer in row["slowest"][:_NUM_LAYERS]
    ]
    note = (
        "Of each model the three that take most time; share: of the operations whose"
        " names are known"
    )
    return "Slowest layers", note, Table(("model", "batch", *names), cells)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def markup(table: Table) -> str:
    """Returns the HTML of a table."""
    head = "".join(f"<th>{text(name)}</th>" for name in table.names)
    body = "".join(
        f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
