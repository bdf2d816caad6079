"""report.html: all of report.md in one page of its own, with figures to ask and runs to open."""

from harness.report.web.page import write

__all__ = ["write"]
