"""What the pages of a report share: templates that escape, and links that stay relative."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from jinja2 import Template

_PARTS = resources.files("airl_cli.report") / "template"


@cache
def part(name: str) -> str:
    """A file of the templates."""
    return (_PARTS / name).read_text(encoding="utf-8")


@cache
def template(name: str) -> Template:
    """A template whose values are escaped, and whose missing values are errors."""
    import jinja2  # late: it takes a while

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def href(path: Path, folder: Path) -> str:
    """A link relative to a folder; it begins with a dot, so that no name passes for a protocol."""
    relative = os.path.relpath(path.absolute(), folder.absolute())
    return f"./{quote(os.fsencode(relative))}"
