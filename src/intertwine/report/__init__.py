"""One static HTML file: what interacts, how well it predicts, how sure that is, what to be careful about."""

from intertwine.report.page import build_report, write_report
from intertwine.report.study import Study

__all__ = ["Study", "build_report", "write_report"]
