"""What the files say together: an option with what it starts from, a key with its explanation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tools.config_pages.source import ConfigFile, Key, read_configs

# Of Hydra's own, and what options start from: nothing that a user would choose.
INTERNAL = ("hydra/help", "hydra/hydra_logging", "hydra/job_logging", "trainer/base")


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
            if file.group and file.group not in INTERNAL:
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
        entries = [(entry, option) for entry, option, _ in file.defaults]
        if not any(entry == "_self_" for entry, _ in entries):
            entries.append(("_self_", None))  # as Hydra does
        for entry, option in entries:
            if entry == "_self_":
                yield None, ""
                continue
            group, _, place = entry.partition("@")
            if option is None:
                group, _, option = group.rpartition("/")
            absolute = group.startswith("/")
            group = group.strip("/") if absolute else f"{file.group}/{group}".strip("/")
            found = self._by_name.get((group, option or ""))
            if found is None:
                continue
            own_place = "" if place == "_here_" or not absolute else group.replace("/", ".")
            yield found, own_place if place in ("", "_here_") else place

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
            for entry, option, comment in file.defaults:
                group, _, place = entry.partition("@")
                if option is None or group not in self.groups:
                    continue
                default = "" if option == "null" or "${" in option else option
                place = place or group.replace("/", ".")
                found.setdefault(group, []).append(Use(file.name, place, default, comment))
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
