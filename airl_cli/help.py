"""`airl <command> --help [group | key]`: what can be chosen and set, with the configs' comments.

Reads the config files as text, so that nothing heavy is imported and nothing is composed.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from airl_cli.commands import COMMANDS, VERBS
from airl_cli.config import conf_dir
from airl_cli.config.comments import ConfigFile, Configs, Key, Use
from airl_cli.errors import InvalidValueError, did_you_mean

_WIDEST, _COLUMN, _LONGEST = 100, 34, 40

FOOTER = """\
Flags: -m runs one job per combination of comma-separated values, --cfg job --resolve shows the \
composed config and runs nothing, --config-dir <folder> adds groups of your own, --hydra-help \
lists all flags. A value with spaces or special characters needs quotes within the shell's: \
'key="a b"'."""


def show_help(command: str, words: Sequence[str], config_dir: str | None = None) -> None:
    """Prints the help of a command, or of one of its groups or keys.

    Args:
        command: The command.
        words: Groups, options as `group=option`, or keys; none: all of the command.
        config_dir: The user's additional config folder.

    Raises:
        InvalidValueError: For a word that is none of them.
    """
    page = _Page(command, Configs(conf_dir(), Path(config_dir) if config_dir else None))
    lines = [line for word in words for line in page.topic(word)] if words else page.everything()
    print("\n".join(lines))


_LEADING = re.compile(r"\S+ {2,}")
"""A word and the gap before what it means: a line of a table."""


def _rejoined(lines: Sequence[str]) -> Iterator[str]:
    """Paragraphs as one line each; titles, lines of tables and empty ones as they are."""
    paragraph: list[str] = []
    for line in lines:
        alone = not line or line.startswith(("==", "airl ")) or _LEADING.match(line)
        if alone and paragraph:
            yield " ".join(paragraph)
            paragraph.clear()
        if not alone:
            paragraph.append(line)
        else:
            yield line
    if paragraph:
        yield " ".join(paragraph)


class _Page:
    """The help of one command, as lines that fit the terminal.

    Args:
        command: The command.
        configs: All config files.
    """

    def __init__(self, command: str, configs: Configs) -> None:
        self._command, self._configs = command, configs
        self._primary = next(file for file in configs.primaries if file.name == command)
        self._width = max(40, min(shutil.get_terminal_size().columns, _WIDEST))
        self._uses: dict[str, tuple[str, Use]] = {}  # by the name to type
        for group, uses in configs.uses.items():
            for use in (use for use in uses if use.command == command):
                at = "" if use.package == group.replace("/", ".") else f"@{use.package}"
                self._uses[f"{group}{at}"] = (group, use)

    def everything(self) -> Iterator[str]:
        """All groups with their options, then all keys with values and meanings."""
        yield from self._usage()
        if self._uses:
            yield from self._title("Groups: choose an option of each with group=option")
            for name, (group, use) in self._uses.items():
                yield from self._row(f"{name}={use.default}" if use.default else name, use.comment)
                options = ", ".join(file.name for file in self._configs.groups[group])
                yield from self._wrapped(options, " " * 6)
        yield from self._title("Keys: change any of them with key=value")
        yield from self._rows(self._own_keys())
        for name, (group, use) in self._uses.items():
            option = self._option(group, use.default)
            if option is not None and not option.is_overlay:
                yield from self._title(f"Keys of {name}={option.name}")
                yield from self._rows(self._keys(option, use.package))
        yield ""
        yield from self._wrapped(f"airl {self._command} --help <group>, or <key>, says more.", "")
        yield from self._wrapped(FOOTER, "")

    def topic(self, word: str) -> Iterator[str]:
        """The help of a group, an option or a key."""
        name, _, option = word.partition("=")
        if name in self._uses:
            yield from self._group(name, option)
            return
        known = {key.path: key for key in self._all_keys()}
        below = {path: key for path, key in known.items() if path.startswith(f"{name}.")}
        if name not in known and not below:
            raise InvalidValueError(
                f"airl {self._command} has no group or key {word!r}.",
                did_you_mean(name, [*known, *self._uses])
                or f"airl {self._command} --help lists them.",
            )
        yield from self._rows([known[name]] if name in known else list(below.values()))

    def _group(self, name: str, chosen: str) -> Iterator[str]:
        group, use = self._uses[name]
        if chosen and self._option(group, chosen) is None:
            options = [file.name for file in self._configs.groups[group]]
            raise InvalidValueError(
                f"{group} has no option {chosen!r}.",
                f"{did_you_mean(chosen, options)} Options: {', '.join(options)}.".strip(),
            )
        if not chosen:
            yield from self._wrapped(f"{name}: {use.comment}", "")
            for file in self._configs.groups[group]:
                mark = " (default)" if file.name == use.default else ""
                yield from self._row(f"{name}={file.name}", f"{file.sentence}{mark}")
        option = self._option(group, chosen or use.default)
        if option is not None:
            yield from self._title(f"Keys of {name}={option.name}")
            yield from self._wrapped(" ".join(option.header), "")
            place = "" if option.is_overlay else use.package
            yield from self._rows(self._keys(option, place or option.package))

    def _usage(self) -> Iterator[str]:
        text = self._configs.root / "hydra" / "help" / f"{self._command}.yaml"
        if text.is_file():
            header = str(yaml.safe_load(text.read_text(encoding="utf-8")).get("header", ""))
            for line in _rejoined(header.rstrip().splitlines()):
                start = _LEADING.match(line)
                yield from self._wrapped(line, " " * start.end() if start else "", "")
        else:
            verb = " <verb>" if self._command in VERBS else ""
            yield f"airl {self._command}{verb} [group=option ...] [key=value ...]"
            yield from self._wrapped(f"{COMMANDS[self._command]}.", "  ")

    def _own_keys(self) -> list[Key]:
        return [key for key in self._primary.keys if key.path.partition(".")[0] != "hydra"]

    def _keys(self, option: ConfigFile, place: str) -> list[Key]:
        keys = self._configs.keys(option).values()
        explained = [
            Key(f"{place}.{key.path}".strip("."), key.value, self._configs.explanation(option, key))
            for key in keys
        ]
        return [key for key in explained if not key.is_hydras]

    def _all_keys(self) -> Iterator[Key]:
        yield from self._own_keys()
        for group, use in self._uses.values():
            named = self._option(group, use.default)
            options = [] if named is None else [named]
            others = [file for file in self._configs.groups[group] if file is not named]
            for option in [*others, *options]:  # the default's value counts
                if not option.is_overlay:
                    yield from self._keys(option, use.package)

    def _option(self, group: str, name: str) -> ConfigFile | None:
        found = (file for file in self._configs.groups[group] if file.name == name)
        return next(found, None)

    def _title(self, text: str) -> Iterator[str]:
        yield ""
        yield from self._wrapped(f"== {text} ==", "")

    def _rows(self, keys: Sequence[Key]) -> Iterator[str]:
        for key in keys:
            if not key.is_hydras and (key.value or key.comment):
                value = key.value if len(key.value) <= _LONGEST else "..."
                yield from self._row(f"{key.path}={value}" if value else key.path, key.comment)

    def _row(self, name: str, meaning: str) -> Iterator[str]:
        """A name and what it means beside it, or below where the name is long."""
        column = min(_COLUMN, self._width // 2)
        if len(name) > column - 4:
            yield f"  {name}"
            if meaning:
                yield from self._wrapped(meaning, " " * column)
        else:
            yield from self._wrapped(meaning, " " * column, f"  {name:<{column - 2}}")

    def _wrapped(self, text: str, indent: str, first: str | None = None) -> Iterator[str]:
        yield from textwrap.wrap(
            text,
            self._width,
            initial_indent=indent if first is None else first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or ([first.rstrip()] if first else [""])
