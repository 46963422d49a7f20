"""Text from run directories, fit to be shown."""

from __future__ import annotations

import json
import math
from typing import Any


def config_text(value: Any) -> str:
    """A value of a config, as one would type it; equal numbers give equal texts."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        whole = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else f"{value:.12g}"
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def shorter(names: list[str]) -> list[str]:
    """Dotted names without the parts in front that are not needed to tell them apart.

    `reward._target_` becomes `reward`: what it names is the kind of reward.
    """
    full = [name.removesuffix("._target_") for name in names]
    return [_shortest(name, full) for name in full]


def _shortest(name: str, among: list[str]) -> str:
    parts = name.split(".")
    for n in range(1, len(parts)):
        ending = ".".join(parts[-n:])
        if sum(f".{other}".endswith(f".{ending}") for other in among) == 1:
            return ending
    return name
