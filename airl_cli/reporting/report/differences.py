"""In what groups of runs differ, and which of that it takes to tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from airl_cli.reporting.report.groups import Group
from airl_cli.reporting.report.texts import shorter

MISSING = "–"
"""Stands for a key that a config does not have."""

Table = Mapping[str, Sequence[str | None]]
"""By key, its value in each group; None where a group does not have it."""

_TARGET = "_target_"
_MOST_COLUMNS = 6


def differing_keys(groups: Sequence[Group]) -> list[str]:
    """The keys whose values are not the same in all groups, in the order of the configs."""
    keys = dict.fromkeys(key for group in groups for key in group.config)
    return [key for key in keys if len({group.config.get(key) for group in groups}) > 1]


def telling_keys(groups: Sequence[Group]) -> list[str]:
    """Of the keys that differ, those that a table needs.

    Left out is what follows from something else that is shown: from the environment (a recipe's
    tuned values), from a class (`reward._target_` has its own arguments), or a key that always has
    the same value as another (it was interpolated). Of the rest, those are shown that somebody
    typed; where these do not tell all groups apart, others that do.

    Returns:
        At most six keys, but none for the environment, which has a column of its own.
    """
    keys = [key for key in differing_keys(groups) if key not in ("env.id", "env._target_")]
    table: Table = {key: [group.config.get(key) for group in groups] for key in keys}
    panels = [group.panel for group in groups]
    distinct: dict[tuple[str | None, ...], str] = {}
    for key in keys:
        if not _follows(table[key], _determinants(key, table, panels)):
            distinct.setdefault(tuple(table[key]), key)
    typed = frozenset().union(*(run.typed for group in groups for run in group.runs))
    named = [key for key in distinct.values() if _is_typed(key, typed)]
    chosen = named if len(named) <= _MOST_COLUMNS else _most_telling([], named, table, panels)
    chosen = _most_telling(chosen, list(distinct.values()), table, panels)
    return [key for key in keys if key in chosen]


def label(group: Group, keys: Sequence[str]) -> str:
    """A name for a group: what tells it from the others, or else its environment."""
    names = shorter(list(keys))
    parts = [f"{n}={v}" for n, v in zip(names, values(group, keys), strict=True) if v != MISSING]
    return ", ".join(parts) or group.env_id


def values(group: Group, keys: Iterable[str]) -> list[str]:
    """A group's values of some keys, classes without their modules."""
    return [shown(key, group.config.get(key)) for key in keys]


def shown(key: str, value: str | None) -> str:
    """A value as tables show it."""
    if value is None:
        return MISSING
    return value.rpartition(".")[2] if key.endswith(_TARGET) else value


def _determinants(key: str, table: Table, panels: Sequence[object]) -> list[Sequence[object]]:
    """What a key may follow from: the classes that its nodes name, and the environment."""
    nodes = key.split(".")[:-1]
    targets = [".".join([*nodes[: n + 1], _TARGET]) for n in range(len(nodes))]
    found: list[Sequence[object]] = [table[t] for t in targets if t in table and t != key]
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


def _is_typed(key: str, typed: frozenset[str]) -> bool:
    """Whether the key, or the group that it is of, was typed."""
    parts = key.split(".")
    return any(".".join(parts[: n + 1]) in typed for n in range(len(parts)))


def _most_telling(
    chosen: Sequence[str], keys: Sequence[str], table: Table, panels: Sequence[object]
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
