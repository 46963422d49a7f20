"""What the files say together: an option with what it starts from, a key with its explanation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tools.config_pages.source import ConfigFile, Key, read_configs

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
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = read_configs(root)
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
