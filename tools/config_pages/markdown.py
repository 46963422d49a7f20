"""Markdown from texts that know nothing of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_SPECIAL = re.compile(r"([\\*<>\[\]])")
_QUOTED = re.compile(r"(`[^`]*`)")


def code(text: str) -> str:
    """A word or value in monospace; nothing for nothing."""
    if not text:
        return ""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def escaped(text: str) -> str:
    """A sentence, in which only what stands between backticks has a meaning."""
    parts = _QUOTED.split(text)
    return "".join(p if p.startswith("`") else _SPECIAL.sub(r"\\\1", p) for p in parts)


def cell(text: str) -> str:
    """What may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table as one part of a page; nothing without rows."""
    if rows:
        lines = [headings, ["---"] * len(headings), *rows]
        yield "\n".join(f"| {' | '.join(cell(field) for field in line)} |" for line in lines)
