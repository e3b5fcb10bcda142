"""Where Django looks for this floor's pages in the console."""

from erp import journal_pages, run_pages

__all__ = ["journal_pages", "run_pages"]
