"""How large the runs of a table are, and on which data."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from fashionjax.presets import MIXTURE
from fashionjax.reproduce.table import Run, Table
from fashionjax.train.run_config import HARMLESS

SCALES = ("document", "small", "smoke")
"""The document's size and length; the presets that two CPU cores finish within the
hour each; a few dozen steps, to see that everything works."""

STAND_INS = ("synthetic", "ccp", "ccp4", MIXTURE)
"""Datasets that every config has, at every scale."""

_SMOKE: Mapping[str, Any] = {
    "data.num_examples.train": 320,
    "data.num_examples.val": 24,
    "data.num_examples.test": 32,
    "batch_size": 8,
    "eval_batch_size": 8,
    "num_epochs": 1.0,
    "eval_every_epochs": 0.25,
    "log_every_steps": 5,
    "num_panels": 4,
    "writers": (),
}
_SMOKE_SIDE = 64
"""The least that the drawn figures allow."""

COMPARABLE = HARMLESS | {"seed"}
"""Keys that a reader may set and still compare with the document, none of which names
a seed."""


@dataclasses.dataclass(frozen=True)
class Scale:
    """What a table is made with.

    Attributes:
        name: One of `SCALES`.
        dataset: One of `STAND_INS`; empty for each run's own, the document's.
        overrides: Keys of every run's configuration, and what the reader set them to.
    """

    name: str
    dataset: str
    overrides: tuple[tuple[str, str], ...] = ()

    def label(self, table: Table) -> str:
        """What is said of a table's numbers; empty where the paper's compare."""
        paths = dict(table.required)
        changed = [
            f"--config.{key}={value}"
            for key, value in dict(self.overrides).items()
            if key not in COMPARABLE and not (value and key in paths)
        ]
        departures = []
        if changed:
            departures.append(f"changed by {' '.join(changed)}")
        if self.name != "document":
            # Rows and figures keep the names of the document's models.
            departures.append(f"slim models at {self.name} scale")
        elif self.dataset:
            departures.append(f"{self.dataset} instead of the document's data")
        return ", ".join([*departures, "not comparable"]) if departures else ""

    @property
    def folder(self) -> str:
        """Name of the folder of all that is made with it."""
        return f"{self.dataset or 'documents'}-{self.name}"

    @property
    def num_crf_settings(self) -> int:
        """Options of a CRF that are tried; S4 tried 50."""
        return 3 if self.name == "smoke" else 50

    def preset(self, run: Run) -> str:
        """The dataset of a run, as its config knows it."""
        if not self.dataset:
            return run.dataset
        return f"{self.dataset}_full" if self.name == "document" else self.dataset

    def changes(self, run: Run, config: ConfigDict) -> dict[str, Any]:
        """Keys that a run of this scale sets, of those that its config has."""
        if self.name != "smoke":
            return {}
        side = _SMOKE_SIDE * run.size_factor
        wanted = {"data.image_size": (side, side), **_SMOKE}
        return {key: value for key, value in wanted.items() if has_key(config, key)}


def has_key(config: ConfigDict, key: str) -> bool:
    """Whether a configuration has a key such as "data.image_size"."""
    node: Any = config
    for name in key.split("."):
        if not isinstance(node, ConfigDict) or name not in node:
            return False
        node = node[name]
    return True


def make_scale(
    name: str | None, dataset: str | None, overrides: Sequence[tuple[str, str]] = ()
) -> Scale:
    """The scale that a command asks for.

    Args:
        name: One of `SCALES`; None for the document's, or "small" on other data.
        dataset: One of `STAND_INS`, or "document"; None for the document's own data,
            or drawn figures at other scales.
        overrides: Keys of every run's configuration, and what to set them to.

    Raises:
        ValueError: If a name is unknown, or the document's data at another scale.
    """
    if name is not None and name not in SCALES:
        raise ValueError(f"scale {name!r}; allowed are {', '.join(SCALES)}")
    allowed = ("document", *STAND_INS)
    if dataset is not None and dataset not in allowed:
        raise ValueError(f"dataset {dataset!r}; allowed are {', '.join(allowed)}")
    if name is None:
        name = "document" if dataset in (None, "document") else "small"
    if dataset is None:
        dataset = "document" if name == "document" else "synthetic"
    if dataset == "document" and name != "document":
        raise ValueError(
            f"the documents' own data at scale {name!r}; allowed at that scale are"
            f" {', '.join(STAND_INS)}"
        )
    own = dataset == "document"
    return Scale(name, "" if own else dataset, tuple(overrides))
