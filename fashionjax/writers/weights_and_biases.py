"""Weights & Biases, an optional extra: `pip install fashionjax[wandb]`."""

import importlib
import math
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUN_ID_FILE = "wandb_run_id.txt"
"""In the folder of the run; under this id a resumed run goes on in W&B too."""


class WandbWriter:
    """Logs `SPLIT/NAME` to a W&B run, leaving out values that are not finite.

    Our step is a field of its own, `step`, the horizontal axis of all charts: several
    splits write at one step, and a resumed run repeats the steps after its checkpoint,
    but W&B's own step may only grow. The repeated steps are then there twice.

    W&B's environment variables hold, such as `WANDB_MODE=offline`, `WANDB_ENTITY` and
    `WANDB_PROJECT`. Offline, each start leaves a folder of its own under `wandb/`;
    all have the same id, by which `wandb sync` joins them.

    Args:
        workdir: Folder of the run; created. The W&B run has its name, and its own
            files are under `wandb/`.
        config: What the run was configured with.
        resume_step: Step that the run goes on from; 0 starts a new W&B run, any other
            and None go on in the one whose id is in the folder, if there is one.
        project: W&B project; None is that of `WANDB_PROJECT`, else "fashionjax".

    Raises:
        ImportError: If wandb is not installed.
        OSError: If the folder cannot be written.
        Exception: Whatever `wandb.init` raises, without a network or a login.
    """

    def __init__(
        self,
        workdir: str | os.PathLike[str],
        config: Mapping[str, Any] | None = None,
        resume_step: int | None = None,
        project: str | None = None,
    ) -> None:
        try:
            wandb: Any = importlib.import_module("wandb")
        except ImportError as error:
            raise ImportError(
                "Weights & Biases needs `pip install fashionjax[wandb]`"
            ) from error
        folder = Path(workdir)
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=project or os.environ.get("WANDB_PROJECT") or "fashionjax",
            name=folder.resolve().name,
            dir=str(folder),
            config=dict(config or {}),
            id=_run_id(folder / RUN_ID_FILE, new=resume_step == 0),
            resume="allow",
        )
        self._closed = False
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")

    def write(
        self,
        step: int,
        split: str,
        metrics: Mapping[str, float],
        epoch: float | None = None,
    ) -> None:
        """Logs the finite metrics, and `SPLIT/epoch` where it is given."""
        values = dict(metrics) if epoch is None else {**metrics, "epoch": epoch}
        finite = {
            f"{split}/{name}": float(value)
            for name, value in values.items()
            if math.isfinite(value)
        }
        self._run.log({"step": int(step), **finite})

    def close(self) -> None:
        """Waits until all is uploaded, and ends the W&B run."""
        if not self._closed:
            self._closed = True
            self._run.finish()


def _run_id(path: Path, *, new: bool) -> str:
    """Reads the id of the run, or makes one and stores it."""
    if not new and path.exists():
        return path.read_text("utf-8").strip()
    run_id = uuid.uuid4().hex[:12]
    path.write_text(run_id + "\n", encoding="utf-8")
    return run_id
