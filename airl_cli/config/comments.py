"""Config files as their authors wrote them: keys, values, comments, and what starts from what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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
        return re.split(r"(?<!et al)\. ", " ".join(self.header))[0].rstrip(".")

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


LOGGING = ("hydra/help", "hydra/hydra_logging", "hydra/job_logging")
"""Groups that say how Hydra speaks."""

HYDRAS = {
    "hydra/launcher": "where the jobs of a multirun (`-m`) run",
    "hydra/sweeper": "what chooses the jobs of a multirun (`-m`)",
    "hydra/sweeper/sampler": "how a search chooses its next trial",
    "sweep": "a whole search: algorithm, ranges, number of trials",
}
"""What groups choose that no primary config mentions."""


def is_internal(group: str) -> bool:
    """Whether nobody would choose an option of the group."""
    return group in LOGGING or group.endswith("/base")


@dataclass(frozen=True)
class Use:
    """A command's way to a group.

    Attributes:
        command: Name of the primary config.
        package: Where the group's keys stand in it.
        default: The option that it takes; empty for none.
        comment: What its defaults list says about the group.
    """

    command: str
    package: str
    default: str
    comment: str


class Configs:
    """All config files below a folder.

    Args:
        root: The folder of the primary configs.
        own: A folder of the user's, whose options come first.
    """

    def __init__(self, root: Path, own: Path | None = None) -> None:
        self.root = root
        self.files = read_configs(root)
        if own is not None:
            added = [file for file in read_configs(own) if file.group]
            names = {(file.group, file.name) for file in added}
            kept = [file for file in self.files if (file.group, file.name) not in names]
            self.files = sorted([*added, *kept], key=lambda file: (file.group, file.name))
        self._by_name = {(file.group, file.name): file for file in self.files}

    @cached_property
    def groups(self) -> Mapping[str, list[ConfigFile]]:
        """Options by group, without what nobody chooses."""
        found: dict[str, list[ConfigFile]] = {}
        for file in self.files:
            if file.group and not is_internal(file.group):
                found.setdefault(file.group, []).append(file)
        return found

    @cached_property
    def primaries(self) -> list[ConfigFile]:
        """One for each command."""
        return [file for file in self.files if not file.group]

    def starts_from(self, file: ConfigFile) -> Iterator[tuple[ConfigFile | None, str]]:
        """The files that an option is made of, in order, each with the place of its keys.

        None is the file itself. Options that only the command line decides on are left out.
        """
        entries = [entry for entry in file.defaults if not entry.overrides]
        for entry in entries:
            if entry.option == "_self_":
                yield None, ""
                continue
            group = f"{file.group}/{entry.group}" if entry.group[:1] != "/" else entry.group
            found = self._by_name.get((group.strip("/"), entry.option))
            if found is not None:
                default = _within(found.package, file.package)
                yield found, "" if entry.place == "_here_" else entry.place or default
        if not any(entry.option == "_self_" for entry in entries):
            yield None, ""  # as Hydra does

    def keys(self, file: ConfigFile) -> dict[str, Key]:
        """All keys of an option by path: later files set values, the last comment stays."""
        found: dict[str, Key] = {}
        for source, place in self.starts_from(file):
            keys = file.keys if source is None else self.keys(source).values()
            for key in keys:
                path = f"{place}.{key.path}".strip(".")
                before = found.pop(path, None) if source is not None else found.get(path)
                comment = key.comment or (before.comment if before else "")
                found[path] = replace(key, path=path, comment=comment)
        return found

    @cached_property
    def uses(self) -> Mapping[str, list[Use]]:
        """Which commands let a group be chosen, and how; `airl train` first, if it does."""
        found: dict[str, list[Use]] = {}
        for file in sorted(self.primaries, key=lambda file: file.name != "train"):
            for entry in file.defaults:
                if entry.overrides or entry.group not in self.groups:
                    continue
                default = "" if entry.option == "null" or "${" in entry.option else entry.option
                place = entry.place or entry.group.replace("/", ".")
                use = Use(file.name, place, default, entry.comment)
                found.setdefault(entry.group, []).append(use)
        return found

    @cached_property
    def explanations(self) -> Mapping[str, str]:
        """Comments of all keys by their dotted path in a composed config."""
        found: dict[str, str] = {}
        for group, options in self.groups.items():
            places = {group.replace("/", "."), *(use.package for use in self.uses.get(group, ()))}
            for option in (option for option in options if not option.is_overlay):
                for key in self.keys(option).values():
                    for place in places:
                        self._explain(found, f"{place}.{key.path}", key)
        for file in self.primaries:
            for key in file.keys:
                self._explain(found, key.path, key)
        return found

    @staticmethod
    def _explain(found: dict[str, str], path: str, key: Key) -> None:
        if key.comment:
            found.setdefault(path, key.comment)

    def explanation(self, file: ConfigFile, key: Key) -> str:
        """What a key of an option means: its own comment, or for an overlay that of the group."""
        if key.comment or not file.is_overlay:
            return key.comment
        return self.explanations.get(f"{file.package}.{key.path}".strip("."), "")


def _within(package: str, outer: str) -> str:
    """A package as seen from another one that holds it."""
    if package == outer:
        return ""
    return package.removeprefix(f"{outer}.") if outer else package
