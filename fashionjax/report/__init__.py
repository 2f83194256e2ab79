"""The page that shows how a run went: `write_report`. Imports no jax."""

from fashionjax.report.inputs import AugmentedExample, Panel, Schedule
from fashionjax.report.page import write_report

__all__ = ["AugmentedExample", "Panel", "Schedule", "write_report"]
