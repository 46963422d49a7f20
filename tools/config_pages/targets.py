"""What the class behind a `_target_` says about itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docstring_parser import parse

from airl_cli.config.signatures import locate

OWN = "airl_cli"
SUMMARISED = (OWN, "sb3_contrib", "stable_baselines3")
"""Packages whose docstrings are read; of others only the name is given, whatever is installed."""


@dataclass(frozen=True)
class Argument:
    """An argument of a class or function.

    Attributes:
        name: As it is passed.
        default: As in the signature; empty for none.
        text: What its docstring says; empty where that is somebody else's.
    """

    name: str
    default: str
    text: str


@dataclass(frozen=True)
class Target:
    """A class or function that a config names.

    Attributes:
        name: Dotted.
        summary: First sentence of its docstring; empty for packages that are not read.
        arguments: Of its own signature; those behind `**kwargs` are its base's.
    """

    name: str
    summary: str
    arguments: list[Argument]


def describe(name: str) -> Target:
    """Reads signature and docstring of what a dotted name leads to.

    Raises:
        NotFoundError: If it is of a package that is read, and cannot be imported.
    """
    if name.split(".")[0] not in SUMMARISED:
        return Target(name, "", [])
    found = locate(name, "")
    texts = _texts(found) if found.__module__.split(".")[0] == OWN else {}
    arguments = [
        Argument(_starred(parameter), _shown(parameter.default), texts.get(parameter.name, ""))
        for parameter in inspect.signature(found).parameters.values()
        if not parameter.name.startswith("_")
    ]
    return Target(name, _summary(found), arguments)


def _summary(found: Callable[..., Any]) -> str:
    doc = inspect.cleandoc(found.__doc__ or "")
    return " ".join(doc.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".") + "."


def _texts(found: Callable[..., Any]) -> dict[str, str]:
    return {
        parameter.arg_name.lstrip("*"): " ".join((parameter.description or "").split())
        for parameter in parse(found.__doc__ or "").params
    }


def _starred(parameter: inspect.Parameter) -> str:
    return f"**{parameter.name}" if parameter.kind is parameter.VAR_KEYWORD else parameter.name


def _shown(default: Any) -> str:
    if default is inspect.Parameter.empty:
        return ""
    if inspect.isclass(default) or inspect.isfunction(default):
        return str(default.__qualname__)
    text = repr(default)
    return "" if re.search(r" at 0x|<", text) else text
