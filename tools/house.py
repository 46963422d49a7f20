"""Figures of the structure: `python -m tools.house` prints them, with `-v` also the places.

Everything is read from the syntax trees; nothing is imported.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

LAYERS = (
    (
        "console",
        "errors",
        "files",
        "identity",
        "limits",
        "nodes",
        "quiet",
        "seeding",
        "serialization",
        "text",
        "util",
    ),
    ("data", "envs", "features", "policy_building", "rewards"),
    ("algorithms", "evaluation", "experts", "generators", "policies", "runs", "videos"),
    ("report", "reporting", "transfer"),
    ("cli", "commands", "completion", "config", "help", "sweeps"),
)
"""The rooms from the bottom up; a room imports from its own layer and those below."""

MAX_FILE, MAX_BODY = 400, 50
_NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
)
_NAMEDTUPLE = ("_fields", "_replace", "_asdict", "_make")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Source:
    """One Python file.

    Attributes:
        path: Where it lies.
        module: Its dotted name.
        text: What it holds.
    """

    path: Path
    module: str
    text: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """The first part of the name below the package; empty for the package itself."""
        return self.module.partition(".")[2].partition(".")[0]

    @cached_property
    def code_lines(self) -> set[int]:
        """Numbers of the lines that hold code: no blanks, comments or docstrings."""
        lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in _NO_CODE:
                lines.update(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Expr) and _is_text(node.value):
                lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        return lines

    @cached_property
    def own_names(self) -> set[str]:
        """Private names that this file defines: functions, attributes, variables."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.ctx, ast.Store)
                and _is_own(node.value)
            ):
                names.add(node.attr)
        return names


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_own(node: ast.expr) -> bool:
    """Whether an object is `self`, `cls` or `super()`."""
    if isinstance(node, ast.Call):
        node = node.func
    return isinstance(node, ast.Name) and node.id in ("self", "cls", "super")


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and not name.endswith("_")


class House:
    """The sources of a package.

    Args:
        folder: The package's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.sources = [_source(folder, path) for path in sorted(folder.rglob("*.py"))]
        self._by_name = {source.module: source for source in self.sources}

    def code_lines(self) -> int:
        """Lines of code of all files."""
        return sum(len(source.code_lines) for source in self.sources)

    def imports(self) -> Iterator[tuple[Source, Source, bool]]:
        """Who imports whom, and whether only when a function is called; no type-only imports."""
        for source in self.sources:
            for name, deferred in _imports(source.tree):
                target = self._by_name.get(name) or self._by_name.get(name.rpartition(".")[0])
                if target is not None and target is not source:
                    yield source, target, deferred

    def circles(self) -> list[list[str]]:
        """Groups of rooms that import each other, imports inside functions included."""
        graph: dict[str, set[str]] = {source.room: set() for source in self.sources}
        for source, target, _ in self.imports():
            if source.room and target.room and source.room != target.room:
                graph[source.room].add(target.room)
        reach = {room: _reachable(graph, room) for room in graph}
        groups = {tuple(sorted(r for r in reach[room] if room in reach[r])) for room in graph}
        return sorted(list(group) for group in groups if len(group) > 1)

    def upward(self) -> list[str]:
        """Imports of a higher layer, as `room/file.py -> module`; unknown rooms are named, too."""
        level = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
        found = []
        for source, target, _ in self.imports():
            if "" in (source.room, target.room) or source.module == f"{source.room}.__main__":
                continue
            if source.room in level and level[source.room] < level.get(target.room, -1):
                found.append(f"{source.path} -> {target.module}")
        rooms = {source.room for source in self.sources} - set(level) - {"", "__main__"}
        return sorted({*found, *(f"{room} has no layer in tools/house.py" for room in rooms)})

    def foreign_private(self) -> list[str]:
        """Lines that touch what another library calls private, as `file:line name`.

        A method of the base class that a subclass calls on itself is what an underscore allows.
        """
        package = set().union(*(source.own_names for source in self.sources))
        found: set[tuple[str, int, str]] = set()
        for source in self.sources:
            called = {id(n.func) for n in ast.walk(source.tree) if isinstance(n, ast.Call)}
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Attribute) and _is_private(node.attr):
                    if id(node) in called and _is_own(node.value):
                        continue
                    known = package if _is_own(node.value) else source.own_names
                    if node.attr not in known and node.attr not in _NAMEDTUPLE:
                        found.add((str(source.path), node.lineno, node.attr))
                elif isinstance(node, (ast.Import, ast.ImportFrom)):
                    for name in _imported(node):
                        foreign = name.partition(".")[0] not in ("", "__future__", "airl_cli")
                        if foreign and any(map(_is_private, name.split("."))):
                            found.add((str(source.path), node.lineno, name))
        lines = {(path, line): name for path, line, name in sorted(found)}
        return [f"{path}:{line} {name}" for (path, line), name in lines.items()]

    def long_files(self) -> list[str]:
        """Files with more than 400 lines."""
        counts = {source.path: len(source.text.splitlines()) for source in self.sources}
        return [f"{path} {count}" for path, count in counts.items() if count > MAX_FILE]

    def long_functions(self) -> list[str]:
        """Functions whose body, without its docstring, has more than 50 lines."""
        found = []
        for source in self.sources:
            for node in ast.walk(source.tree):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    length = _body_length(node)
                    if length > MAX_BODY:
                        found.append(f"{source.path}:{node.lineno} {node.name} {length}")
        return found


def _source(folder: Path, path: Path) -> Source:
    parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Source(path, name, path.read_text(encoding="utf-8"))


def _imports(node: ast.AST, deferred: bool = False) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield from ((name, deferred) for name in _imported(child))
        else:
            yield from _imports(child, deferred or isinstance(child, _Function))


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module or ''}.{alias.name}" for alias in node.names]


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for room in graph[waiting.pop()] - seen:
            seen.add(room)
            waiting.append(room)
    return seen | {start}


def _body_length(node: _Function) -> int:
    body = node.body
    if isinstance(body[0], ast.Expr) and _is_text(body[0].value):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def config_keys(folder: Path) -> int:
    """Values that the YAML files below a folder set; lists and empty mappings count as one."""

    def leaves(node: Mapping[str, Any]) -> int:
        return sum(leaves(v) if isinstance(v, dict) and v else 1 for v in node.values())

    count = 0
    for path in folder.rglob("*.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        count += leaves({key: value for key, value in content.items() if key != "defaults"})
    return count


def main() -> None:
    """Prints a row per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="list the places, too")
    verbose = parser.parse_args().verbose
    root = Path(__file__).resolve().parents[1]
    house = House(root / "airl_cli")
    places = {
        "circles of imports between rooms": [" <-> ".join(group) for group in house.circles()],
        "imports against the direction": house.upward(),
        "lines that touch private attributes of other libraries": house.foreign_private(),
        f"files with more than {MAX_FILE} lines": house.long_files(),
        f"functions with more than {MAX_BODY} lines of body": house.long_functions(),
    }
    print(f"{house.code_lines():>7,}  lines of code in airl_cli")
    print(f"{len(house.sources):>7,}  files in airl_cli")
    print(f"{config_keys(root / 'conf' / 'recipe'):>7,}  keys in conf/recipe")
    for name, found in places.items():
        print(f"{len(found):>7,}  {name}")
        for place in found if verbose else ():
            print(f"{'':9}{place.replace(f'{root}/', '')}")


if __name__ == "__main__":
    main()
