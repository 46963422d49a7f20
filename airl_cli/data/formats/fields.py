"""Arrays by the names that people and other programs give them, and what their flags mean.

Flags per transition: `terminations` mark terminal states, `truncations` other ends. `dones` beside
`terminations` mark all ends; beside `truncations` alone, terminal states are
`dones & ~truncations`; alone they mark terminal states. `terminal` has one flag per episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from airl_cli.data.transitions import no_actions
from airl_cli.errors import InvalidValueError

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "obs": ("obs", "observations", "observation", "states", "observation.state"),
    "acts": ("acts", "actions", "action"),
    "rews": ("rews", "rewards", "reward", "next.reward"),
    "next_obs": ("next_obs", "next_observations", "next_observation", "next_states"),
    "dones": ("dones", "done", "next.done"),
    "terminations": ("terminations", "terminals", "terminated"),
    "truncations": ("truncations", "timeouts", "truncated"),
    "terminal": ("terminal",),
    "lengths": ("lengths",),
    "indices": ("indices",),
    "episode_starts": ("episode_starts",),
}
"""Names under which a field is found."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Flags:
    """What marks the transitions of a recording.

    Attributes:
        ends: Whether an episode ends with the transition (n,) bool.
        terminal: Whether that is in a terminal state (n,) bool.
        given: Names of the arrays they come from.
    """

    ends: np.ndarray
    terminal: np.ndarray
    given: tuple[str, ...]


def fields_of(source: object, named: Mapping[str, Any], mapping: Mapping[str, str]) -> Arrays:
    """The fields of `SYNONYMS` among arrays that may have other names.

    Actions that are not there are unknown ones.

    Args:
        source: For messages.
        named: Arrays by the name they have.
        mapping: Of fields to the names they have here; the rest is found by the usual names.

    Raises:
        InvalidValueError: If `obs` is missing, or one field is there twice.
    """
    found: dict[str, np.ndarray] = {}
    for field, synonyms in SYNONYMS.items():
        names = [n for n in synonyms if n in named]
        if field in mapping:
            names = [mapping[field]] if isinstance(mapping[field], str) else list(mapping[field])
            if len(names) > 1:
                raise InvalidValueError(
                    f"{source}: columns.{field} names {len(names)} arrays.", "Name one array."
                )
        missing = [name for name in names if name not in named]
        if missing or (not names and field == "obs"):
            raise InvalidValueError(
                f"{source}: no array {(missing or [field])[0]!r}, only "
                f"{', '.join(sorted(named)) or 'nothing'}.",
                f"Name it: columns={{{field}: <its name>}}.",
            )
        values = [_array(source, name, named[name]) for name in names]
        for name, other in zip(names[1:], values[1:], strict=True):
            if not _equal(values[0], other):
                raise InvalidValueError(
                    f"{source}: {names[0]} and {name} contradict each other.",
                    f"Remove one of them, or choose it: columns={{{field}: {names[0]}}}.",
                )
        if values:
            found[field] = values[0]
    if "acts" not in found:
        found["acts"] = _unknown_actions(source, named, found)
    return found


def _unknown_actions(
    source: object, named: Mapping[str, Any], found: Mapping[str, np.ndarray]
) -> np.ndarray:
    """As many unknown actions as there must be, by what else is there."""
    obs = found["obs"]
    per_step = [found[name] for name in ("rews", "dones", "terminations") if name in found]
    if obs.dtype == object:
        return ragged([no_actions(max(0, len(np.asarray(part)) - 1)) for part in obs])
    if per_step and per_step[0].dtype != object and per_step[0].ndim == 1:
        return no_actions(len(per_step[0]))
    if "lengths" in found:
        return no_actions(int(np.sum(found["lengths"])))
    if "next_obs" in found or "episode_starts" in found:
        return no_actions(len(obs))
    if obs.ndim > 2:
        return np.zeros((len(obs), obs.shape[1] - 1, 0), np.float32)
    raise InvalidValueError(
        f"{source}: no array 'acts', only {', '.join(sorted(named))}.",
        "Name it: columns={acts: <its name>}; of demonstrations without actions, give lengths.",
    )


def _array(source: object, name: str, values: Any) -> np.ndarray:
    """An array of numbers, or an object array with one such array per episode."""
    try:
        array = np.asarray(values)
    except ValueError:  # of different shapes
        array = ragged(values)
    parts = array.ravel() if array.dtype == object else [array]
    if any(np.asarray(part).dtype.kind not in "biuf" for part in parts):
        raise InvalidValueError(
            f"{source}: {name} is no array of numbers.", "Store numbers, not texts or objects."
        )
    return array


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype != object or b.dtype != object:
        return bool(np.array_equal(a, b))
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def ragged(values: Sequence[Any]) -> np.ndarray:
    """An object array with one array per episode; of one flag per episode, an array of flags."""
    if all(isinstance(value, bool) for value in values):
        return np.array(values)
    array = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):  # assigned at once, equal shapes would be merged
        array[place] = np.asarray(value)
    return array


def flag_of(source: object, arrays: Arrays, name: str, n: int) -> np.ndarray:
    """`n` flags (n,) bool, which may be stored as numbers or as a column.

    Raises:
        InvalidValueError: If they are of another shape, or neither 0 nor 1.
    """
    flags = arrays[name]
    if flags.shape == (n, 1):
        flags = flags[:, 0]
    if flags.shape != (n,) or not np.isin(flags, (0, 1)).all():
        raise InvalidValueError(
            f"{source}: {name}: {flags.dtype} of shape {flags.shape} instead of {n} times true or "
            "false.",
            "terminal has one flag per episode; dones, terminations and truncations one per "
            "transition.",
        )
    return flags.astype(bool)


def flags_of(source: object, arrays: Arrays, n: int) -> Flags:
    """Where episodes end, and how, in `n` transitions.

    Raises:
        InvalidValueError: If flags contradict each other.
    """
    if not {"dones", "terminations"} & set(arrays) and len(arrays.get("terminal", ())) == n:
        arrays = {**arrays, "terminations": arrays["terminal"]}
    names = [name for name in ("dones", "terminations", "truncations") if name in arrays]
    given = {name: flag_of(source, arrays, name, n) for name in names}
    none = np.zeros(n, dtype=bool)
    terminal, cut = given.get("terminations"), given.get("truncations", none)
    dones = given.get("dones", none)
    if terminal is None:
        terminal = dones & ~cut
    elif "dones" in given and bool((terminal & ~dones).any()):
        step = int(np.flatnonzero(terminal & ~dones)[0])
        raise InvalidValueError(
            f"{source}: dones and terminations contradict each other: transition {step} is "
            "terminal and not done.",
            "Remove one of them.",
        )
    ends = dones | terminal | cut
    if "episode_starts" in arrays:
        ends |= np.append(flag_of(source, arrays, "episode_starts", n)[1:], False)
    return Flags(ends, terminal, tuple(names) or ("episode_starts",))
