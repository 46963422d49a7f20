"""Hooks of mkdocs: pages that lie outside `docs/`, and links to them (`make docs-site`).

The pages are written to be read in the repository. For the site, the README becomes the first page,
`CONTRIBUTING.md` and the benchmarks' tables are added, pages of the library are made from its
docstrings, and links to source files, which are no pages, become plain text.
"""

from __future__ import annotations

import posixpath
import re
from html import unescape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
API = ("algorithms", "rewards", "data", "envs", "experts", "evaluation")
"""Packages of the library that have a page of their own."""

_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', flags=re.DOTALL)
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def outside() -> dict[str, str]:
    """Pages that do not lie in `docs/`: from their place in the site to that in the repository."""
    found = {"index.md": "README.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
    for file in sorted((ROOT / "benchmarks").rglob("*.md")):
        name = file.relative_to(ROOT).as_posix()
        found[name] = name
    return found


def on_files(files: Any, config: Any) -> Any:
    """Adds what lies outside `docs/`, and the pages of the library."""
    from mkdocs.structure.files import File

    contents = files.get_file_from_path("README.md")  # the site's navigation is in its place
    files.remove(contents)
    for name, source in outside().items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=text))
    for name, module in [("airl_cli", "airl_cli"), *((part, f"airl_cli.{part}") for part in API)]:
        page = File.generated(config, f"api/{name}.md", content=f"# {module}\n\n::: {module}\n")
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Makes a page's links those of the site."""
    name = page.file.src_uri
    return relinked(markdown, name, {file.src_uri for file in files})


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Turns formulas into MathML, which browsers show without scripts."""
    return formulas_as_mathml(html)


def formulas_as_mathml(html: str) -> str:
    """A page's `arithmatex` elements as MathML.

    Args:
        html: As the Markdown extension `pymdownx.arithmatex` wrote it.
    """
    from latex2mathml.converter import convert

    def formula(found: re.Match[str]) -> str:
        display = "block" if found[2] == "[" else "inline"
        return str(convert(unescape(found[3]), display=display))

    return _FORMULA.sub(formula, html)


def relinked(markdown: str, name: str, pages: set[str]) -> str:
    """A page with links that hold in the site.

    Args:
        markdown: As in the repository.
        name: Of the page in the site.
        pages: Names of all files of the site.
    """
    folder = posixpath.dirname(outside().get(name) or f"docs/{name}")

    def place(target: str) -> str | None:
        path, mark, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:") or not path:
            return target
        there = posixpath.normpath(posixpath.join(folder, path)).removeprefix("docs/")
        there = {"README.md": "index.md"}.get(there, there)
        if there not in pages:
            return None
        start = posixpath.dirname(name)
        return posixpath.relpath(there, start or ".") + mark + anchor

    def link(found: re.Match[str]) -> str:
        target = place(found[2])
        return found[1] if target is None else f"[{found[1]}]({target})"

    def image(found: re.Match[str]) -> str:
        return f"![{found[1]}]({place(found[2]) or found[2]})"

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [_LINK.sub(link, _IMAGE.sub(image, text)) for text in parts[::2]]  # not in code
    return "".join(parts)
