"""Work directories as runs leave them, without a run."""

import json

import numpy as np

from fashionjax.reproduce.runs import Outcome, make_plans
from fashionjax.reproduce.scale import make_scale
from fashionjax.reproduce.table import TEST
from fashionjax.reproduce.values import Results, label_map_of


def write_run(plan, metrics=None, *, folder=TEST.folder, step=40, **others):
    """Writes what a finished run leaves: config, metrics and a confusion matrix."""
    plan.workdir.mkdir(parents=True, exist_ok=True)
    config = json.loads(plan.resolved_config().to_json())
    (plan.workdir / "config.json").write_text(json.dumps({"config": config}))
    (plan.workdir / "finished").write_text(f"{step}\n")
    num_classes = label_map_of(plan.workdir).num_classes
    confusion = np.arange(num_classes**2).reshape(num_classes, num_classes)
    evaluation = plan.workdir / folder
    evaluation.mkdir(exist_ok=True)
    np.save(evaluation / "confusion.npy", confusion)
    record = {"step": step, "num_images": 3, "metrics": metrics or {}, **others}
    (evaluation / "metrics.json").write_text(json.dumps(record))


def make_results(
    table, out, *, scale="smoke", dataset="synthetic", wanted=(), errors=(), **found
):
    """Results of runs that all found the same.

    Args:
        table: The table.
        out: Folder of all tables.
        scale: Its scale.
        dataset: Its data.
        wanted: Keys that the reader sets.
        errors: Errors of runs by their config, and whether they were stopped.
        **found: Metrics by name.
    """
    needed = {key: "DIR" for key, _ in table.required if dataset == "document"}
    made = make_scale(scale, dataset, tuple((needed | dict(wanted)).items()))
    plans = make_plans(table, made, out)
    outcomes = {}
    for run, plan in plans.items():
        error, stopped = dict(errors).get(run.config, ("", False))
        outcomes[run, TEST] = Outcome(plan, error, stopped)
        if not error:
            write_run(plan, found)
    for run, evaluation in table.evaluations:
        outcomes[run, evaluation] = outcomes[run, TEST]
        if not outcomes[run, TEST].error:
            write_run(plans[run], found, folder=evaluation.folder)
    return Results(table, made, outcomes, "python -m fashionjax.reproduce …")
