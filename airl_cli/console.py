"""The terminal: whatever is printed on it is made harmless here, and not by each caller."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment


class SafeConsole(Console):
    """A console of rich on which text of any origin can be printed.

    Control characters become question marks, as does what the terminal's encoding lacks; what
    cannot be written at all (a full device, a closed terminal) is dropped.
    """

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of a renderable, their text made harmless."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(_harmless(segment.text, self.encoding), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's, but for devices that take nothing."""
        try:
            super().print(*objects, **options)
        except OSError:
            discard_stdout()


def _harmless(text: str, encoding: str) -> str:
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.encode(encoding, "replace").decode(encoding)
    except LookupError:
        pass
    return text


def discard_stdout() -> None:
    """From now on what is printed goes nowhere."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):  # no file behind it
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
