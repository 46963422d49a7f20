"""Runs of equal configs, over which statistics are taken, and in what such groups differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from airl_cli.errors import AirlError
from airl_cli.report.record import FINISHED, RunRecord, flatten, read_choices, read_config
from airl_cli.runs import keys
from airl_cli.runs.keys import WITHOUT_EFFECT

IGNORED = (*WITHOUT_EFFECT, "seed", "*.seed", "run", "gail_run")
"""Keys, as patterns, in which runs of one group may differ."""

_EXPERT_SEED = "expert.seed"
"""Not ignored: another seed is another expert, with returns of its own."""

_STRUCTURE = ("env", "reward", "trainer")
"""What a run of `airl train` has in its config, each with a `_target_`."""

MISSING = "–"
"""Stands for a key that a config does not have."""

_Table = Mapping[str, Sequence[str | None]]
"""By key, its value in each group; None where a group does not have it."""

_NO_COLUMN = ("env", "sweep", "logger", "hydra")
"""Groups that a table does not show: it has a column for the environment, and the rest is no
setting of what was learned."""

_TARGET = "_target_"
_MOST_COLUMNS = 6


@dataclass(frozen=True, eq=False)  # by identity, so that what is computed of one can be kept
class Group:
    """Runs with the same config but for `IGNORED` keys.

    Attributes:
        command: `train` or `transfer`.
        env_id: Of the environment.
        config: By dotted key, without the ignored ones.
        runs: All of them.
        repeats: Finished runs that are not counted: the same seed was run again later.
    """

    command: str
    env_id: str
    config: Mapping[str, str]
    runs: Sequence[RunRecord]
    repeats: Mapping[Path, Path] = field(default_factory=dict)

    @property
    def counted(self) -> list[RunRecord]:
        """The finished runs, one for each seed."""
        done = (run for run in self.runs if run.state == FINISHED)
        return [run for run in done if run.path not in self.repeats]

    def count(self, state: str) -> int:
        """Runs in a state."""
        return sum(run.state == state for run in self.runs)

    @property
    def panel(self) -> tuple[str, str]:
        """What may be drawn in one plot: command and environment."""
        return self.command, self.env_id

    @cached_property
    def choices(self) -> Mapping[str, str]:
        """The option of each config group, as far as it is recorded."""
        first = self.runs[0]
        return {**read_choices(first.path), **first.overrides}

    def setting(self, key: str) -> str | None:
        """The value of a config key, or the option of a config group; None if there is none."""
        if key in self.config:
            return self.config[key]
        target = self.config.get(f"{key}.{_TARGET}", "")
        return self.choices.get(key) or target.rpartition(".")[2] or None


def group_runs(runs: Iterable[RunRecord], ignore: Sequence[str] = ()) -> list[Group]:
    """Groups the runs whose config is known, in the order in which they come.

    Args:
        runs: Of any commands and environments.
        ignore: Further keys in which runs of one group may differ; patterns with `*`.
    """
    ignored = _matcher(IGNORED, ignore)
    sources: dict[str, Mapping[str, str]] = {}
    found: dict[Any, list[RunRecord]] = {}
    for run in runs:
        if not run.config:
            continue
        if run.source and run.source not in sources:
            sources[run.source] = _source_config(run.source)
        config = {**run.config, **sources.get(run.source, {})}
        kept = tuple(sorted((k, v) for k, v in config.items() if not ignored(k)))
        found.setdefault((run.command, kept), []).append(run)
    ids = _env_ids(run for members in found.values() for run in members)
    return [
        Group(command, _env_id(members[0], ids), dict(config), members, _repeats(members))
        for (command, config), members in found.items()
    ]


def _env_ids(runs: Iterable[RunRecord]) -> dict[str, str]:
    """Names of environments that only a finished run knows, by the function that makes them."""
    done = (run for run in runs if run.state == FINISHED and "env.id" not in run.config)
    return {run.config.get("env._target_", ""): run.env_id for run in done}


def _env_id(run: RunRecord, ids: Mapping[str, str]) -> str:
    return run.config.get("env.id") or ids.get(run.config.get("env._target_", ""), run.env_id)


def _matcher(patterns: Sequence[str], further: Sequence[str]) -> Callable[[str], bool]:
    @cache  # a thousand runs share their few hundred keys
    def matches(key: str) -> bool:
        ours = key != _EXPERT_SEED and keys.matches(key, patterns)
        return ours or keys.matches(key, further)

    return matches


def _source_config(source: str) -> Mapping[str, str]:
    """What the run was whose reward a transfer took; its path where that cannot be read.

    Only the parts that describe a run are taken, and only of what is one: the path comes from a
    config that anybody may have written.
    """
    try:
        config = read_config(Path(source))
    except (AirlError, OSError, ValueError):
        return {"source": source}
    parts = {name: config.get(name) for name in _STRUCTURE}
    if not all(isinstance(part, dict) and "_target_" in part for part in parts.values()):
        return {"source": source}
    return flatten({"source": parts})


def _repeats(runs: Sequence[RunRecord]) -> dict[Path, Path]:
    """Finished runs of a seed that was run again, and which run counts in their place.

    The same config and seed give the same numbers: counting them twice would only make intervals
    look narrower.
    """
    newest: dict[Any, RunRecord] = {}
    repeats: dict[Path, Path] = {}
    for run in runs:
        if run.state != FINISHED or run.seed is None:
            continue
        other = newest.setdefault((run.seed, run.source), run)
        if other is run:
            continue
        older, newer = sorted((other, run), key=lambda r: r.written)
        newest[run.seed, run.source] = newer
        repeats[older.path] = newer.path
    return {older: _last(newer, repeats) for older, newer in repeats.items()}


def _last(path: Path, repeats: Mapping[Path, Path]) -> Path:
    while path in repeats:
        path = repeats[path]
    return path


def differing_keys(groups: Sequence[Group]) -> list[str]:
    """The keys whose values are not the same in all groups, in the order of the configs."""
    keys = dict.fromkeys(key for group in groups for key in group.config)
    return [key for key in keys if len({group.config.get(key) for group in groups}) > 1]


def telling_keys(groups: Sequence[Group]) -> list[str]:
    """What it takes to tell groups apart: options of config groups, and keys.

    Left out is what follows from something else that is shown: from the environment (a recipe's
    tuned values), from an option or a class (`reward._target_` has its own arguments), or a key
    that always has the same value as another (it was interpolated). Of the rest, those are shown
    that were given on the command line; where these do not tell all groups apart, others that do.

    Returns:
        At most six, but none for the environment, which has a column of its own.
    """
    leaves = [key for key in differing_keys(groups) if key not in ("env.id", "env._target_")]
    options = _differing_options(groups)
    table: _Table = {key: [group.setting(key) for group in groups] for key in (*options, *leaves)}
    panels = [group.panel for group in groups]
    distinct = {tuple(table[key]): key for key in reversed(options)}
    for key in leaves:
        if not _follows(table[key], _determinants(key, table, panels, options)):
            distinct.setdefault(tuple(table[key]), key)
    given = frozenset().union(*(run.overrides for group in groups for run in group.runs))
    named = [key for key in distinct.values() if key in options or _is_given(key, given)]
    chosen = named if len(named) <= _MOST_COLUMNS else _most_telling([], named, table, panels)
    chosen = _most_telling(chosen, list(distinct.values()), table, panels)
    return [key for key in table if key in chosen]


def _differing_options(groups: Sequence[Group]) -> list[str]:
    """The config groups that some command line chose, whose options are not the same everywhere."""
    given = dict.fromkeys(key for group in groups for run in group.runs for key in run.overrides)
    leaves = {key for group in groups for key in group.config}
    options = [
        key
        for key in given
        if key not in leaves and key != "seed" and key.partition(".")[0] not in _NO_COLUMN
        if not keys.matches(key, IGNORED)
    ]
    return [key for key in options if len({group.setting(key) for group in groups}) > 1]


def label(group: Group, keys: Sequence[str]) -> str:
    """A name for a group: what tells it from the others, or else its environment."""
    names = shorter(list(keys))
    shown_values = [shown(key, group.setting(key)) for key in keys]
    parts = [f"{n}={v}" for n, v in zip(names, shown_values, strict=True) if v != MISSING]
    return ", ".join(parts) or group.env_id


def shown(key: str, value: str | None) -> str:
    """A value as tables show it: classes without their modules."""
    if value is None:
        return MISSING
    return value.rpartition(".")[2] if key.endswith(_TARGET) else value


def _determinants(
    key: str, table: _Table, panels: Sequence[object], options: Sequence[str]
) -> list[Sequence[object]]:
    """What a key may follow from: options, the classes that its nodes name, the environment."""
    nodes = key.split(".")[:-1]
    targets = [".".join([*nodes[: n + 1], _TARGET]) for n in range(len(nodes))]
    found: list[Sequence[object]] = [table[t] for t in targets if t in table and t != key]
    # Options without a node in the config, such as a recipe's, may have set anything.
    own = {".".join(nodes[: n + 1]) for n in range(len(nodes))}
    top = {other.partition(".")[0] for other in table if "." in other}
    found += [table[o] for o in options if o in own or o not in top]
    is_choice = len(nodes) == 1 and key.endswith(_TARGET)
    return found if is_choice else [panels, *found]


def _follows(column: Sequence[object], from_: Sequence[Sequence[object]]) -> bool:
    """Whether equal determinants always come with equal values."""
    if not from_:
        return False
    seen: dict[tuple[object, ...], object] = {}
    rows = zip(*from_, strict=True)
    return all(
        seen.setdefault(row, value) == value for row, value in zip(rows, column, strict=True)
    )


def _is_given(key: str, given: frozenset[str]) -> bool:
    """Whether a command line set the key, or the node that it is of."""
    parts = key.split(".")
    return any(".".join(parts[: n + 1]) in given for n in range(len(parts)))


def _most_telling(
    chosen: Sequence[str], keys: Sequence[str], table: _Table, panels: Sequence[object]
) -> list[str]:
    """Adds the keys that, one after the other, split the groups into the most different rows."""
    chosen = list(chosen)

    def n_told_apart(more: Sequence[str]) -> int:
        return len(set(zip(panels, *(table[key] for key in (*chosen, *more)), strict=True)))

    while len(chosen) < _MOST_COLUMNS:
        best = max(keys, key=lambda key: n_told_apart([key]), default=None)
        if best is None or n_told_apart([best]) == n_told_apart([]):
            break
        chosen.append(best)
    return chosen


def shorter(names: list[str]) -> list[str]:
    """Dotted names without the parts in front that are not needed to tell them apart.

    `reward._target_` becomes `reward`: what it names is the kind of reward.
    """
    full = [name.removesuffix("._target_") for name in names]
    return [_shortest(name, full) for name in full]


def _shortest(name: str, among: list[str]) -> str:
    parts = name.split(".")
    for n in range(1, len(parts)):
        ending = ".".join(parts[-n:])
        if sum(f".{other}".endswith(f".{ending}") for other in among) == 1:
            return ending
    return name
