"""Parameters, arithmetic and a diagram of the model of a config.

    python -m fashionjax.describe configs/fpn.py:synthetic_full [--diagram=FILE.svg]
    python -m fashionjax.describe --docs=docs

Nothing is computed: the model is traced. With `--docs` the table of all models and
their diagrams are written, as `docs/models.md` and `docs/models/`.
"""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from fashionjax import builders
from fashionjax.config_files import load_config
from fashionjax.describe.catalogue import ENTRIES, Entry
from fashionjax.describe.diagram import draw_diagram
from fashionjax.describe.graph import Graph, trace_model

CONFIGS = Path(__file__).parents[2] / "configs"

_INTRODUCTION = """# Models

Each model is a `flax.linen` module of `fashionjax.models` over an encoder of
`fashionjax.encoders`; none of them knows of configs or data. Parameters and FLOPs (two
for a multiplication and an addition, forward, one image) are those of the config's
model at the document's size. This page and its diagrams are written by

```bash
.venv/bin/python -m fashionjax.describe --docs=docs
```

Any size of image goes in, logits of its size come out. "Equals" names the reference
whose outputs the architecture has with its weights. Where a program of yours trains a
model with grouped layers (ResNeXt, depthwise) on several devices, trace it under
`jax.set_mesh`, so that each device convolves its own rows (`ops.grouped_conv`).

A diagram's boxes are layers that share a name, read off the trace of the code; the
finest maps are at the top, and the darker a box, the more of the arithmetic it does.

| model | paper | equals | parameters | GFLOP | at | config |
|---|---|---|---|---|---|---|
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m fashionjax.describe", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("config", nargs="?", help="a config: configs/NAME.py[:DATASET]")
    parser.add_argument("--diagram", type=Path, help="write a diagram, SVG")
    parser.add_argument("--docs", type=Path, help="write the page of all models here")
    options = parser.parse_args(arguments)
    if (options.config is None) == (options.docs is None):
        parser.error("name a config, or --docs=FOLDER for all models")
    if options.docs is not None:
        write_docs(options.docs)
        return 0
    try:
        graph = trace_config(load_config(options.config))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table(graph))
    if options.diagram is not None:
        options.diagram.write_text(draw_diagram(graph))
        print(f"diagram: {options.diagram}")
    return 0


def trace_config(config: ConfigDict) -> Graph:
    """The graph of a config's model at its image size, without weights."""
    with config.unlocked():
        config.model.pretrained = "none"
    experiment = builders.build_experiment(config)
    return trace_model(experiment.model, experiment.image_size)


def table(graph: Graph) -> str:
    """Parts of a model with shapes and arithmetic, and the sums."""
    rows = [("part", "shape", "GFLOP")]
    rows += [
        (name, "×".join(map(str, part.shape)), f"{part.flops / 1e9:.3f}")
        for name, part in graph.parts.items()
    ]
    rows.append((f"{graph.num_params:,} parameters", "", f"{graph.flops / 1e9:.3f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {flops:>{widths[2]}}"
        for name, shape, flops in rows
    )


def write_docs(folder: Path) -> None:
    """Writes `models.md` and `models/NAME.svg`."""
    (folder / "models").mkdir(parents=True, exist_ok=True)
    lines, pictures = [], []
    for entry in ENTRIES:
        print(entry.name, flush=True)
        name, _, dataset = entry.config.partition(":")
        graph = trace_config(load_config(f"{CONFIGS / name}.py:{dataset}"))
        picture = f"models/{name}.svg"
        (folder / picture).write_text(draw_diagram(graph))
        lines.append(_line(entry, graph))
        pictures.append(f"\n## {entry.name}\n\n![{entry.name}]({picture})\n")
    text = _INTRODUCTION + "".join(lines) + "".join(pictures)
    (folder / "models.md").write_text(text)


def _line(entry: Entry, graph: Graph) -> str:
    height, width = graph.size
    equals = re.sub(r"(\w+/[\w-]+)", r"`\1`", entry.reference)
    config = "configs/{}.py:{}".format(*entry.config.split(":"))
    return (
        f"| {entry.name} | {entry.paper} | {equals} | {graph.num_params:,} |"
        f" {graph.flops / 1e9:.1f} | {height}×{width} | `{config}` |\n"
    )


if __name__ == "__main__":
    sys.exit(main())
