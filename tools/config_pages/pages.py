"""The pages of `docs/configuration/` as texts, and how they get there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airl_cli.config.comments import HYDRAS, ConfigFile, Configs, Key
from tools.config_pages.markdown import code, escaped, table
from tools.config_pages.targets import OWN, Argument, Target, describe

COMMAND = "make docs"
MADE = f"<!-- Made by `{COMMAND}` from the configs' own comments: change those. -->"
COMMANDS_PAGE = "commands.md"


def pages(root: Path) -> dict[str, str]:
    """All pages by file name.

    Args:
        root: The folder of the primary configs.
    """
    configs = Configs(root)
    made = {page_name(group): _group_page(configs, group) for group in configs.groups}
    return {"README.md": _index(configs), COMMANDS_PAGE: _commands_page(configs), **made}


def stale(root: Path, folder: Path) -> list[str]:
    """Names of the pages in a folder that are not what the configs say; empty if all are."""
    wanted = pages(root)
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    return sorted(
        name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name)
    )


def write(root: Path, folder: Path) -> list[str]:
    """Makes a folder's pages what the configs say; gives the names of those that changed."""
    wanted, changed = pages(root), stale(root, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def page_name(group: str) -> str:
    """File name of a group's page."""
    return f"{group.replace('/', '-')}.md"


# -- pages -------------------------------------------------------------------------------------


def _index(configs: Configs) -> str:
    rows = [
        [f"[{group}]({page_name(group)})", escaped(_about(configs, group)), _names(options)]
        for group, options in configs.groups.items()
    ]
    return _page(
        "Configuration",
        "Choose an option of a group with `group=option`, change a key with `key=value`; "
        "`airl <command> --cfg job --resolve` shows what comes out. What is typed wins over "
        "everything. The keys that belong to no group are those of the "
        f"[commands]({COMMANDS_PAGE}). A value `${{...}}` is that of the key it names, `???` has "
        "to be given.",
        *table(["group", "chooses", "options"], rows),
    )


def _commands_page(configs: Configs) -> str:
    parts = []
    for file in configs.primaries:
        keys = [key for key in file.keys if key.path.split(".")[0] != "hydra"]
        parts += [f"## `airl {file.name}`", *_purpose(file), *_choices(configs, file)]
        parts += [*_keys(configs, file, keys), *_targets(keys)]
    return _page("Commands", "Groups to choose from, and keys of the commands themselves.", *parts)


def _choices(configs: Configs, file: ConfigFile) -> Iterator[str]:
    rows = []
    for group, uses in configs.uses.items():
        for use in uses:
            if use.command == file.name:
                same = use.package == group.replace("/", ".")
                typed = group if same else f"{group}@{use.package}"
                link = f"[`{typed}`]({page_name(group)})"
                rows.append([link, code(use.default), escaped(use.comment)])
    if rows:
        yield from table(["group", "default", "chooses"], rows)


def _group_page(configs: Configs, group: str) -> str:
    options = configs.groups[group]
    rows = [[f"[`{o.name}`](#{o.name.lower()})", escaped(o.sentence)] for o in options]
    about = _about(configs, group).rstrip(".")
    intro = [about[0].upper() + about[1:]] if about else []
    used = [
        f"`airl {use.command}`" + (f" (default `{use.default}`)" if use.default else "")
        for use in configs.uses.get(group, ())
    ]
    if used:
        intro.append(f"Chosen in {', '.join(used)}")
    parts = [part for option in options for part in _option(configs, option)]
    lead = "".join(f"{escaped(sentence)}. " for sentence in intro).strip()
    return _page(f"`{group}`", lead, *table(["option", "is"], rows), *parts)


def _option(configs: Configs, file: ConfigFile) -> Iterator[str]:
    relative = f"conf/{file.group}/{file.path.name}"
    yield f"## {file.name}"
    yield f"[{relative}](../../{relative})"
    yield from _purpose(file)
    started = [(source, place) for source, place in configs.starts_from(file) if source is not None]
    if started:
        names = [f"`{s.group}/{s.name}`" + (f" at `{at}`" if at else "") for s, at in started]
        yield f"Starts from {', '.join(names)}."
    chosen = [f"`{d.group.strip('/')}={d.option}`" for d in file.defaults if d.overrides]
    if chosen:
        yield f"Chooses {', '.join(chosen)}."
    elsewhere = tuple(f"{place}." for _, place in started if place)
    own = {key.path for key in file.keys}
    every = list(configs.keys(file).values())
    keys = [key for key in every if key.path in own or not key.path.startswith(elsewhere)]
    yield from _keys(configs, file, keys)
    yield from _targets(every)


def _keys(configs: Configs, file: ConfigFile, keys: list[Key]) -> Iterator[str]:
    rows = []
    for key in keys:
        inner = {other.path: other for other in keys if other.path.startswith(f"{key.path}.")}
        explained = key.comment if inner else configs.explanation(file, key)
        if key.is_hydras or (inner and not explained):
            continue
        made = inner.get(f"{key.path}._target_", key).value.rpartition(".")[2] if inner else ""
        path = f"{file.package}.{key.path}".strip(".")
        rows.append([code(path), code(key.value or made), escaped(explained)])
    if rows:
        yield from table(["key", "value", "is"], rows)


# -- classes -----------------------------------------------------------------------------------


def _targets(keys: list[Key]) -> Iterator[str]:
    """The classes that an option names, its own one with the arguments it does not set."""
    targets = [key for key in keys if key.name == "_target_"]
    for key in sorted(targets, key=lambda key: "." in key.path):
        place = key.path.rpartition(".")[0]
        target = describe(key.value)
        if not place:
            given = {other.path.split(".")[0] for other in keys}
            yield _headline(target, place)
            yield from _further(target, given)
        elif target.name.startswith(OWN):
            yield _headline(target, place)


def _headline(target: Target, place: str) -> str:
    sentence = f"`{place}._target_`".replace("`.", "`") + f" is `{target.name}`"
    return f"{sentence}: {escaped(target.summary)}" if target.summary else f"{sentence}."


def _further(target: Target, given: set[str]) -> Iterator[str]:
    rest = [argument for argument in target.arguments if argument.name not in given]
    if not rest:
        return
    if not target.name.startswith(OWN):
        names = ", ".join(code(argument.name) for argument in rest)
        yield f"It also takes {names}, from the program or with `+key=value`."
        return
    yield "It also takes, from the program or with `+key=value`:"
    yield "\n".join(_bullet(argument) for argument in rest)


def _bullet(argument: Argument) -> str:
    default = f" = `{argument.default}`" if argument.default else ""
    text = f": {escaped(argument.text)}" if argument.text else ""
    return f"- {code(argument.name)}{default}{text}"


# -- pieces ------------------------------------------------------------------------------------


def _page(title: str, lead: str, *parts: str) -> str:
    return "\n\n".join(part for part in (f"# {title}", MADE, lead, *parts) if part) + "\n"


def _purpose(file: ConfigFile) -> Iterator[str]:
    if file.header:
        yield escaped(" ".join(file.header))


def _about(configs: Configs, group: str) -> str:
    comments = [use.comment for use in configs.uses.get(group, ()) if use.comment]
    return comments[0] if comments else HYDRAS.get(group, "")


def _names(options: list[ConfigFile]) -> str:
    return ", ".join(code(option.name) for option in options)
