"""A document's table from our own runs, beside the document's numbers.

    python -m fashionjax.reproduce s1-grid
    python -m fashionjax.reproduce s1-grid --dataset=synthetic --scale=smoke

Makes the runs that the table needs, one after another, and writes the table as
Markdown, CSV and HTML. The same command again goes on where it stopped, and makes no
finished run again; tables share their runs.
"""

import argparse
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import logging

from fashionjax.compilation_cache import use_compilation_cache
from fashionjax.reproduce import figures
from fashionjax.reproduce.data import describe
from fashionjax.reproduce.page import make_page
from fashionjax.reproduce.runs import (
    Outcome,
    Plan,
    Runner,
    make_plans,
    parse_override,
)
from fashionjax.reproduce.scale import SCALES, STAND_INS, Scale, make_scale
from fashionjax.reproduce.table import TEST, Evaluation, Run, Table
from fashionjax.reproduce.tables import TABLES
from fashionjax.reproduce.text import to_csv, to_markdown
from fashionjax.reproduce.values import Results
from fashionjax.train.interrupt import EXIT_STATUS

FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: Words after the program's name; None takes the process's own.

    Returns:
        The exit status: 0 with every number there, 1 if a run failed, 75 if it was
        asked to stop.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    options, others = _parser().parse_known_args(words)
    try:
        overrides = [parse_override(word) for word in others]
        scale = make_scale(options.scale, options.dataset, overrides)
        plans = make_plans(TABLES[options.table], scale, options.out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    command = shlex.join(["python", "-m", "fashionjax.reproduce", *words])
    results = make_runs(TABLES[options.table], scale, plans, command)
    page = write_table(results, options.out / scale.folder / options.table)
    print(to_markdown(results))
    print(f"Page: {page}")
    if any(outcome.stopped for outcome in results.outcomes.values()):
        print("Stopped; the same command goes on from there")
        return EXIT_STATUS
    return FAILED if results.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fashionjax.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="--config.KEY=VALUE sets a key of every run, such as data.raw_dir.",
    )
    parser.add_argument("table", choices=TABLES, help="which table")
    parser.add_argument(
        "--dataset",
        choices=("document", *STAND_INS),
        help="train on this instead of the document's own data",
    )
    parser.add_argument(
        "--scale",
        choices=SCALES,
        help="size and length of the runs: the document's, the presets for two CPU"
        " cores, or a few dozen steps; default: the document's, small on other data",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/reproduce"),
        help="folder of tables and runs; default: %(default)s",
    )
    return parser


def make_runs(
    table: Table,
    scale: Scale,
    plans: dict[Run, Plan],
    command: str,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
) -> Results:
    """Makes the runs of a table, each of a folder once.

    Args:
        table: The table.
        scale: What its runs are made with.
        plans: How each is made.
        command: What was typed, for the page.
        say: Where lines for the reader go.
    """
    label = scale.label(table)
    if label:
        say(f"{table.name}: {label}")
    made: dict[Path, Outcome] = {}
    outcomes: dict[tuple[Run, Evaluation], Outcome] = {}
    with Runner(say) as runner:
        total = len({plan.workdir for plan in plans.values()})
        for run, plan in plans.items():
            if plan.workdir not in made:
                say(f"[{len(made) + 1}/{total}] {plan.command}")
                made[plan.workdir] = runner.make(plan)
            outcomes[run, TEST] = made[plan.workdir]
        for run, evaluation in table.evaluations:
            say(f"{run.config}: {' '.join(evaluation.flags)}")
            outcomes[run, evaluation] = runner.evaluate(outcomes[run, TEST], evaluation)
    return Results(table, scale, outcomes, command)


def write_table(results: Results, folder: Path) -> Path:
    """Writes `table.md`, `table.csv` and `index.html` with its figures.

    Args:
        results: The numbers.
        folder: Where to; what an earlier table left there is replaced.

    Returns:
        The page, written after all else.
    """
    pictures = folder / figures.FIGURES
    page = folder / "index.html"
    page.unlink(missing_ok=True)
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    # Orbax warns of opening a checkpoint to read, as it does in training.
    logging.set_verbosity(logging.FATAL)
    (folder / "table.md").write_text(to_markdown(results), encoding="utf-8")
    (folder / "table.csv").write_text(to_csv(results), encoding="utf-8")
    use_compilation_cache(None)
    sources = results.workdirs(results.table.sources)
    text = make_page(
        results,
        curves=list(figures.draw_curves(results, pictures)),
        panels=list(figures.copy_panels(results, pictures)),
        told=list(figures.draw_told(results, pictures)),
        confusions=list(figures.draw_confusions(results, pictures)),
        galleries=list(figures.draw_galleries(results, pictures)),
        data=[describe(workdir) for workdir in sources.values()],
        folder=pictures,
    )
    unfinished = page.with_name(f"{page.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(page)
    return page


if __name__ == "__main__":
    sys.exit(main())
