"""The scores of a finished run, as a row among the measurements."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import json
from pathlib import Path
from typing import Any

from fashionjax.train.run_config import read_config

SCORES = ("mean_iou", "pooled_iou", "pooled_iou_excl_bg", "mask_iou", "pixel_accuracy")
"""Metrics of the row, of those that the evaluation has."""


def read_scores(workdir: Path) -> dict[str, Any]:
    """Reads what a run says of itself.

    Args:
        workdir: Its folder.

    Returns:
        What it trained, by name, and its scores on the split `test`, 0..1.

    Raises:
        ValueError: If there is no such run, or it was not evaluated on `test`.
    """
    file = workdir / "eval-test" / "metrics.json"
    if not file.is_file():
        raise ValueError(f"{workdir} is no run that was evaluated on test: no {file}")
    record, config = json.loads(file.read_text("utf-8")), read_config(workdir)
    metrics = record["metrics"]
    return {
        "model": config.model.name,
        "encoder": config.model.encoder,
        "pretrained": config.model.pretrained,
        "dtype": config.model.dtype,
        "dataset": config.data.name,
        "size": "x".join(map(str, config.data.image_size)),
        "classes": record["num_classes"],
        "batch": config.batch_size,
        "epochs": config.num_epochs,
        "best_step": record["step"],
        "test_images": record["num_images"],
        "test_is_val": record.get("chose_checkpoint", False),
        **{name: metrics[name] for name in SCORES if name in metrics},
    }
