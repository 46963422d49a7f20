"""`docs/configuration/` from the configs' own comments: `python -m tools.config_pages`.

The pages are checked in, and a test compares them with what the configs say now.
"""

from tools.config_pages.gaps import unexplained
from tools.config_pages.pages import COMMAND, pages, stale, write

__all__ = ["COMMAND", "pages", "stale", "unexplained", "write"]
