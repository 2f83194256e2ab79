"""Where the time of a step goes: by pass, by kind of operation, by layer."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.profiler import ProfileData

from fashionjax.bench.hlo_ops import (
    CONTAINERS,
    KINDS,
    PASSES,
    Operation,
    read_operations,
)
from fashionjax.bench.inference import Inference
from fashionjax.bench.models import Setting
from fashionjax.bench.training import Training

_NUM_SLOWEST = 10
_GRAPH_LAUNCH = "cuGraphLaunch"


class Event(NamedTuple):
    """An operation as it ran once.

    Attributes:
        operation: Its name in the program.
        start: In nanoseconds.
        duration: In nanoseconds.
    """

    operation: str
    start: float
    duration: float


class Trace(NamedTuple):
    """What a profiler saw of some steps.

    Attributes:
        events: The program's operations, of the first device.
        graph_launches: How often a CUDA graph was launched.
    """

    events: list[Event]
    graph_launches: int


def measure_profile(
    setting: Setting, *, what: str, fold: bool, num_steps: int
) -> dict[str, Any]:
    """Profiles a training step or a call of inference.

    Args:
        setting: What to run.
        what: "train" or "infer".
        fold: Whether BatchNorm is folded into convolutions in inference.
        num_steps: Steps that are profiled.

    Returns:
        What was measured, by name: milliseconds a step, operations a step (kernels, on
        a GPU), the share of the time in which the device did anything, CUDA graphs
        launched a step, shares of the operations' time by kind and by pass, and the
        slowest layers.

    Raises:
        ValueError: If the profiler saw none of the program's operations.
    """
    program = Training(setting) if what == "train" else Inference(setting, fold=fold)
    trace = trace_steps(program.time_steps, num_steps)
    operations = read_operations(program.compilation.program.as_text())
    return {
        **setting.record(),
        "what": what,
        "fold": fold and what == "infer",
        **summarize(trace, operations, num_steps),
        "steps": num_steps,
    }


def trace_steps(time_steps: Callable[[int], float], num_steps: int) -> Trace:
    """Lets a profiler watch.

    Args:
        time_steps: Makes as many steps as it is told, and waits for them.
        num_steps: How many.
    """
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            time_steps(num_steps)
        files = sorted(Path(folder).rglob("*.xplane.pb"))
        planes = [
            plane for file in files for plane in ProfileData.from_file(str(file)).planes
        ]
        devices = sorted(p.name for p in planes if p.name.startswith("/device:"))
        # CPUs have no plane of their own.
        wanted = devices[0] if devices else "/host:CPU"
        events = [
            event
            for plane in planes
            if plane.name == wanted
            for line in plane.lines
            for event in _read_events(line.events)
        ]
        launches = sum(
            event.name == _GRAPH_LAUNCH
            for plane in planes
            for line in plane.lines
            for event in line.events
        )
    return Trace(events, launches)


def _read_events(events: Iterable[Any]) -> Iterator[Event]:
    for event in events:
        # A CPU tells the end of an operation too.
        if event.name.startswith("end: "):
            continue
        operation = dict(event.stats).get("hlo_op")
        if operation is not None:
            yield Event(str(operation), event.start_ns, event.duration_ns)


def summarize(
    trace: Trace, operations: Mapping[str, Operation], num_steps: int
) -> dict[str, Any]:
    """Adds up what a profiler saw.

    Args:
        trace: Of some steps.
        operations: Those of the program, by name.
        num_steps: How many steps.

    Returns:
        The numbers of `measure_profile`.

    Raises:
        ValueError: If no event is one of the operations.
    """
    seen = [
        (event, operations[event.operation])
        for event in trace.events
        if event.operation in operations
        and operations[event.operation].opcode not in CONTAINERS
    ]
    if not seen:
        raise ValueError("the profiler saw none of the program's operations")
    by_kind: dict[str, float] = defaultdict(float)
    by_part: dict[str, float] = defaultdict(float)
    by_layer: dict[tuple[str, str, str], float] = defaultdict(float)
    for event, operation in seen:
        by_kind[operation.kind] += event.duration
        by_part[operation.part] += event.duration
        layer = operation.layer or "outside of the model"
        by_layer[layer, operation.part, operation.kind] += event.duration
    total = sum(by_kind.values())
    start = min(event.start for event, _ in seen)
    stop = max(event.start + event.duration for event, _ in seen)
    slowest = sorted(by_layer.items(), key=lambda item: -item[1])[:_NUM_SLOWEST]
    return {
        "step_ms": (stop - start) / num_steps / 1e6,
        "operations": len(seen) / num_steps,
        "busy_share": _covered(event for event, _ in seen) / (stop - start),
        "graph_launches": trace.graph_launches / num_steps,
        **{kind: by_kind[kind] / total for kind in KINDS},
        **{part: by_part[part] / total for part in PASSES},
        "slowest": [
            {
                "layer": layer,
                "pass": part,
                "kind": kind,
                "ms": nanoseconds / num_steps / 1e6,
                "share": nanoseconds / total,
            }
            for (layer, part, kind), nanoseconds in slowest
        ],
    }


def _covered(events: Iterable[Event]) -> float:
    """Length of the time in which at least one of the events went on."""
    covered, until = 0.0, float("-inf")
    for event in sorted(events, key=lambda event: event.start):
        stop = event.start + event.duration
        covered += max(0.0, stop - max(event.start, until))
        until = max(until, stop)
    return covered
