"""One static HTML file that says what interacts, how well it predicts, how sure that is, and what to be careful about."""

from intertwine.report.page import build_report, write_report
from intertwine.report.study import Study

__all__ = ["Study", "build_report", "write_report"]
