"""Where the time of a step goes: by pass, by kind of operation, by layer."""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
_DEVICES = ("/device:GPU", "/device:TPU")


class Event(NamedTuple):
    """An operation as it ran once.

    Attributes:
        operation: Its name in the program; empty if the profiler does not tell.
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
        are_kernels: Whether the events are all that a device of its own did; a CPU's
            have those of the host and of whole computations among them.
    """

    events: list[Event]
    graph_launches: int
    are_kernels: bool = False


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
        launched a step, the share of the operations' time of those whose names are
        known (kernels of a CUDA graph may come without), and of these the shares by
        kind and by pass, and the slowest layers.

    Raises:
        ValueError: If the profiler saw nothing of the program.
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
        devices = sorted(p.name for p in planes if p.name.startswith(_DEVICES))
        # CPUs have no plane of their own.
        wanted = devices[0] if devices else "/host:CPU"
        lines = [
            line for plane in planes if plane.name == wanted for line in plane.lines
        ]
        # Of a GPU, others may show the same kernels again, by module or by step.
        streams = [line for line in lines if line.name.startswith("Stream")]
        events = [
            event
            for line in streams or lines
            for event in _read_events(line.events, named=not streams)
        ]
        launches = sum(
            event.name == _GRAPH_LAUNCH
            for plane in planes
            for line in plane.lines
            for event in line.events
        )
    return Trace(events, launches, are_kernels=bool(streams))


def _read_events(events: Iterable[Any], *, named: bool) -> Iterator[Event]:
    """What ran; `named`: leaves out what is no operation by its name."""
    for event in events:
        # A CPU tells the end of an operation too.
        if event.name.startswith("end: "):
            continue
        operation = dict(event.stats).get("hlo_op")
        if operation is not None or not named:
            yield Event(str(operation or ""), event.start_ns, event.duration_ns)


def summarize(
    trace: Trace, operations: Mapping[str, Operation], num_steps: int
) -> dict[str, Any]:
    """Adds up what a profiler saw.

    Args:
        trace: Of some steps.
        operations: Those of the program, by name.
        num_steps: How many steps.

    Returns:
        The numbers of `measure_profile`; without shares where no name is known.

    Raises:
        ValueError: If no event is one of the operations and no graph was launched.
    """
    known = [
        (event, operations[event.operation])
        for event in trace.events
        if event.operation in operations
        and operations[event.operation].opcode not in CONTAINERS
    ]
    seen = trace.events if trace.are_kernels else [event for event, _ in known]
    row = {"graph_launches": trace.graph_launches / num_steps}
    if seen:
        start = min(event.start for event in seen)
        stop = max(event.start + event.duration for event in seen)
        row |= {
            "step_ms": (stop - start) / num_steps / 1e6,
            "operations": len(seen) / num_steps,
            "busy_share": _covered(seen) / (stop - start),
            "named_share": sum(event.duration for event, _ in known)
            / sum(event.duration for event in seen),
        }
    elif not trace.graph_launches:
        raise ValueError("the profiler saw none of the program's operations")
    return row | (_shares(known, num_steps) if known else {})


def _shares(known: Sequence[tuple[Event, Operation]], num_steps: int) -> dict[str, Any]:
    """What operations whose names are known took, by kind, by pass and by layer."""
    by_kind: dict[str, float] = defaultdict(float)
    by_part: dict[str, float] = defaultdict(float)
    by_layer: dict[tuple[str, str, str], float] = defaultdict(float)
    for event, operation in known:
        by_kind[operation.kind] += event.duration
        by_part[operation.part] += event.duration
        layer = operation.layer or "outside of the model"
        by_layer[layer, operation.part, operation.kind] += event.duration
    total = sum(by_kind.values())
    slowest = sorted(by_layer.items(), key=lambda item: -item[1])[:_NUM_SLOWEST]
    return {
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
