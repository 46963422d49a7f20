"""One config file as its author wrote it: keys, values as typed, and comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Key:
    """A key of a config file.

    Attributes:
        path: Dotted, from the top of the file.
        value: As typed; empty for a mapping of further keys.
        comment: Behind it or in the lines above it.
    """

    path: str
    value: str
    comment: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def is_hydras(self) -> bool:
        """Whether it is one of `_target_`, `_partial_` and the like."""
        return self.name.startswith("_") and self.name.endswith("_")


@dataclass(frozen=True)
class Default:
    """An entry of a defaults list.

    Attributes:
        group: Of the option, as written; empty where the list only says its name.
        option: The option; `null` for none.
        place: What stands behind an `@`.
        comment: Behind it or in the lines above it.
        overrides: Whether it changes a choice made elsewhere.
    """

    group: str
    option: str
    place: str
    comment: str
    overrides: bool


@dataclass(frozen=True)
class ConfigFile:
    """A config file.

    Attributes:
        path: Where it lies.
        group: Folder below the config root, with slashes; empty for a primary config.
    """

    path: Path
    group: str

    @property
    def name(self) -> str:
        """The option's name."""
        return self.path.stem

    @cached_property
    def lines(self) -> list[str]:
        """The text."""
        return self.path.read_text(encoding="utf-8").splitlines()

    @cached_property
    def header(self) -> list[str]:
        """The comment lines at the top, without Hydra's `@package`."""
        found = []
        for line in self.lines:
            if not line.startswith("#"):
                break
            if not line.startswith("# @package"):
                found.append(line.lstrip("#").strip())
        return found

    @property
    def sentence(self) -> str:
        """The first sentence of the header."""
        return " ".join(self.header).partition(". ")[0].rstrip(".")

    @cached_property
    def package(self) -> str:
        """Dotted place of the keys in the composed config."""
        for line in self.lines:
            if line.startswith("# @package"):
                place = line.split("@package", 1)[1].strip()
                return "" if place == "_global_" else place
        return self.group.replace("/", ".")

    @property
    def is_overlay(self) -> bool:
        """Whether it sets keys of other groups."""
        return self.package != self.group.replace("/", ".")

    @cached_property
    def keys(self) -> list[Key]:
        """All keys but `defaults`, outer ones before inner ones."""
        root = yaml.compose("\n".join(self.lines), Loader=yaml.SafeLoader)
        return list(self._keys(root, "")) if isinstance(root, yaml.MappingNode) else []

    @cached_property
    def defaults(self) -> list[Default]:
        """The defaults list."""
        root = yaml.compose("\n".join(self.lines), Loader=yaml.SafeLoader)
        pairs = root.value if isinstance(root, yaml.MappingNode) else []
        for key, value in pairs:
            if key.value == "defaults" and isinstance(value, yaml.SequenceNode):
                return [self._default(item) for item in value.value]
        return []

    @cached_property
    def targets(self) -> Mapping[str, str]:
        """What `_target_` names, by the path of the mapping that holds it."""
        return {
            key.path.rpartition(".")[0]: key.value for key in self.keys if key.name == "_target_"
        }

    def _default(self, node: yaml.Node) -> Default:
        first = last = node
        if isinstance(node, yaml.MappingNode):
            first, last = node.value[0]
        words = str(first.value).split()
        entry, _, place = words[-1].partition("@")
        group, option = entry, str(last.value)
        if first is last:
            group, _, option = entry.rpartition("/")
        comment = self._behind(last) or self._above(first)
        return Default(group, option, place, comment, "override" in words[:-1])

    def _keys(self, node: yaml.MappingNode, prefix: str) -> Iterator[Key]:
        for key, value in node.value:
            if not prefix and key.value == "defaults":
                continue
            path = f"{prefix}{key.value}"
            comment = self._above(key) or self._comment_beside(key, value)
            if isinstance(value, yaml.MappingNode) and not value.flow_style:
                yield Key(path, "", comment)
                yield from self._keys(value, f"{path}.")
            else:
                yield Key(path, self._typed(value), comment)

    def _typed(self, node: yaml.Node) -> str:
        start, end = node.start_mark, node.end_mark
        if start.line == end.line:
            return self.lines[start.line][start.column : end.column]
        if isinstance(node, yaml.ScalarNode):
            return " ".join(str(node.value).split())
        text = "".join(line.split(" #")[0] for line in self.lines[start.line : end.line + 1])
        return " ".join(text.strip().split())

    def _comment_beside(self, key: yaml.Node, value: yaml.Node) -> str:
        is_block = value.start_mark.line > key.end_mark.line
        return self._behind(key if is_block or self._is_block_text(value) else value)

    @staticmethod
    def _is_block_text(node: yaml.Node) -> bool:
        return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")

    def _behind(self, node: yaml.Node) -> str:
        mark = node.end_mark
        rest = self.lines[mark.line][mark.column :] if mark.line < len(self.lines) else ""
        return rest.partition("#")[2].strip()

    def _above(self, key: yaml.Node) -> str:
        """Comment lines right above a key, indented as it is; those at the top are the file's."""
        found: list[str] = []
        number = key.start_mark.line - 1
        line = self.lines[key.start_mark.line]
        column = len(line) - len(line.lstrip())
        while number >= len(self._top_lines) and self._is_comment(number, column):
            found.insert(0, self.lines[number].strip().lstrip("#").strip())
            number -= 1
        return " ".join(found)

    def _is_comment(self, number: int, column: int) -> bool:
        line = self.lines[number]
        return line.strip().startswith("#") and len(line) - len(line.lstrip()) == column

    @cached_property
    def _top_lines(self) -> list[str]:
        top = []
        for line in self.lines:
            if not line.startswith("#"):
                break
            top.append(line)
        return top


def read_configs(root: Path) -> list[ConfigFile]:
    """All config files below a folder, sorted by group and name."""
    files = sorted(root.rglob("*.yaml"))
    found = [ConfigFile(path, path.parent.relative_to(root).as_posix()) for path in files]
    primary = [ConfigFile(file.path, "") if file.group == "." else file for file in found]
    return sorted(primary, key=lambda file: (file.group, file.name))
