"""Text of any origin, fit to be shown: one line, no control characters."""

from __future__ import annotations

import math

LONGEST = 400
"""Characters of one value; some configs hold whole arrays."""


def printable(text: str, longest: int = LONGEST) -> str:
    r"""The text on one line, without control characters, directional marks or lone surrogates.

    They become escapes such as `\x1b`: nothing that a terminal or a browser acts on is left, and
    what is left can be encoded.
    """
    shown = text if len(text) <= longest else f"{text[: longest - 3]}..."
    if shown.isprintable():
        return shown
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in shown
    )


def return_text(value: float) -> str:
    """A return for people: one decimal, of small fractions two; a dash where there is none."""
    if not math.isfinite(value):
        return "-"
    return format(
        value, "z,.1f" if abs(round(value, 1)) >= 10 or value == round(value) else "z,.2f"
    )
