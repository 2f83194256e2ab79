"""The page that shows how a run went: `write_report`. Imports no jax."""

from fashionjax.report.inputs import Panel
from fashionjax.report.page import write_report

__all__ = ["Panel", "write_report"]
