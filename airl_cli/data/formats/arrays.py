"""Named arrays as episodes, in the layouts that people and other programs use.

Episodes one after the other, in `obs`, `acts` and, where known, `rews`, are cut by what is there:

- `lengths` (N,): transitions of each episode; `obs` has one row more per episode.
- `indices` (N - 1,): where in `acts` the next episodes begin; `obs` as above.
- `next_obs`, one row per transition, as in `obs`: an episode ends where a flag says so, or where
  `next_obs` is clearly not the next row of `obs`.
- flags alone, one per transition, or `episode_starts`: the observation after an episode's last
  action is not there, so that its last transition is left out.
- nothing of these: the first axis of `obs` (N, T + 1, ...) and `acts` (N, T, ...) counts episodes.
  Lists and object arrays of one array per episode may differ in length.

`fields` tells what flags mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from airl_cli.data import validate
from airl_cli.data.formats.base import DEFAULTS, Options, Recording
from airl_cli.data.formats.fields import Arrays, fields_of, flag_of, flags_of
from airl_cli.data.types import Trajectory
from airl_cli.errors import InvalidValueError

_ENDS = {"lengths", "terminal", "dones", "terminations", "truncations", "episode_starts"}
_SAME = 1e-3  # relative difference up to which two stored numbers are one (float16 rounds to 5e-4)


def from_mapping(arrays: Mapping[str, Any], options: Options) -> Recording:
    """The episodes in arrays by name, or in lists of one array per episode.

    Raises:
        InvalidValueError: If they do not make episodes.
    """
    source = "the arrays"
    with validate.explained(source, "recording"):
        fields = fields_of(source, arrays, options.names)
        trajectories = episodes(source, fields, options)
    return Recording(source, "arrays", trajectories, verified=False)


def episodes(source: object, arrays: Arrays, options: Options = DEFAULTS) -> list[Trajectory]:
    """The episodes in some arrays.

    Args:
        source: For messages.
        arrays: By field, see `SYNONYMS`.
        options: How what the arrays leave open is read.

    Raises:
        InvalidValueError: If they do not make episodes.
    """
    arrays = _without_env_axis(arrays)
    for name in ("obs", "acts"):
        if arrays[name].ndim == 0 or len(arrays[name]) == 0:
            raise validate.no_episodes(source)
    if any(array.dtype == object for array in arrays.values()):
        found = _separate(source, arrays, options.drop_last_action)
    elif "next_obs" in arrays and "lengths" in arrays and len(arrays["obs"]) == len(arrays["acts"]):
        found = _from_transitions(source, _with_ends(source, arrays), options.incomplete)
    elif "lengths" in arrays or "indices" in arrays:
        found = _cut(source, arrays, options.drop_last_action)
    elif "next_obs" in arrays:
        found = _from_transitions(source, arrays, options.incomplete)
    elif _has_flags(arrays):
        found = _fromflags_of(source, arrays, options.incomplete)
    else:
        found = _separate(source, arrays, options.drop_last_action)
    trajectories = list(found)
    validate.check_uniform(source, trajectories)
    return trajectories


def _without_env_axis(arrays: Arrays) -> Arrays:
    """Arrays as of SB3's replay buffer with one environment, (n, 1, ...), as (n, ...)."""
    flags = [arrays[name] for name in ("dones", "terminations") if name in arrays]
    axes = (len(arrays["acts"]), 1) if arrays["acts"].ndim else ()
    if arrays["obs"].ndim < 3 or not flags or any(f.shape != axes for f in flags):
        return arrays
    if arrays["obs"].shape[:2] != axes or arrays["acts"].shape[:2] != axes:
        return arrays
    return {n: a[:, 0] if a.shape[:2] == axes and a.ndim > 1 else a for n, a in arrays.items()}


def _has_flags(arrays: Arrays) -> bool:
    """Whether flags per transition cut flat arrays; those of stacked ones lie in the episodes."""
    obs, acts, rews = arrays["obs"], arrays["acts"], arrays.get("rews")
    stacked = obs.ndim > 1 and acts.ndim > 1 and obs.shape[1] == acts.shape[1] + 1
    names = {"episode_starts", "dones", "terminations", "truncations"} & set(arrays)
    if names:
        return not (stacked and all(arrays[name].ndim > 1 for name in names))
    if "terminal" not in arrays or len(arrays["terminal"]) != len(acts) or len(obs) != len(acts):
        return False
    return not stacked or (rews is not None and rews.ndim == 1)


# -- cut by lengths --------------------------------------------------------------------------------


def _cut(source: object, arrays: Arrays, drop_last_action: bool) -> Iterator[Trajectory]:
    obs, acts, rews = arrays["obs"], arrays["acts"], arrays.get("rews")
    lengths = _lengths(source, arrays)
    n, total = len(lengths), sum(lengths.tolist())
    more = 0 if drop_last_action else 1
    for name, rows, wanted in (
        ("obs", len(obs), total + more * n),
        ("acts", len(acts), total),
        ("rews", total if rews is None else len(rews), total),
    ):
        if rows != wanted:
            raise InvalidValueError(
                f"{source}: {name}: {rows} rows, but {n} episodes of {total} steps in all have "
                f"{wanted}.",
                "obs has one row more per episode than acts: the last observation. With as many "
                "rows, set drop_last_action=true.",
            )
    terminal = _terminal(source, arrays, n, np.cumsum(lengths) - 1)
    stops = np.cumsum(lengths).tolist()
    for index, (b, length) in enumerate(zip(stops, lengths.tolist(), strict=True)):
        a, shift = b - length, more * index
        yield _episode(
            source,
            index,
            obs=obs[a + shift : b + shift + more],
            acts=acts[a : b - 1 + more],
            terminal=bool(terminal[index]) and not drop_last_action,
            rews=None if rews is None else rews[a : b - 1 + more],
        )


def _lengths(source: object, arrays: Arrays) -> np.ndarray:
    name = "lengths" if "lengths" in arrays else "indices"
    values = arrays[name]
    if values.ndim != 1 or (values.dtype.kind not in "iu" and len(values)):
        raise InvalidValueError(
            f"{source}: {name}: no list of whole numbers.", "Give one for each episode."
        )
    lengths = values.astype(np.int64)
    if name == "indices":
        total = len(arrays["acts"])
        cuts = lengths[:-1] if len(lengths) and lengths[-1] == total else lengths
        lengths = np.diff(cuts, prepend=0, append=total)
    if len(lengths) == 0:
        raise validate.no_episodes(source)
    if int(lengths.min()) < 1:
        raise InvalidValueError(
            f"{source}: episode {int(lengths.argmin())}: it has no actions.", "Leave it out."
        )
    return lengths


def _with_ends(source: object, arrays: Arrays) -> Arrays:
    """Transitions with `lengths` as transitions with flags."""
    last = np.cumsum(_lengths(source, arrays)) - 1
    n = len(arrays["acts"])
    if last[-1] != n - 1:
        raise InvalidValueError(
            f"{source}: lengths: {last[-1] + 1} steps in all for {n} actions.", "Correct lengths."
        )
    terminal, ends = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    terminal[last], ends[last] = _terminal(source, arrays, len(last), last), True
    rest = {name: values for name, values in arrays.items() if name not in _ENDS}
    return {**rest, "terminations": terminal, "truncations": ends & ~terminal}


def _terminal(source: object, arrays: Arrays, n: int, last: np.ndarray) -> np.ndarray:
    """Whether each of `n` episodes ended in a terminal state; `last` are their last transitions."""
    if "terminal" in arrays:
        return flag_of(source, arrays, "terminal", n)
    return flags_of(source, arrays, len(arrays["acts"])).terminal[last]


# -- one array, or one row, per episode ------------------------------------------------------------


def _separate(source: object, arrays: Arrays, drop_last_action: bool) -> Iterator[Trajectory]:
    obs, acts, rews = arrays["obs"], arrays["acts"], arrays.get("rews")
    whole = obs.dtype != object and acts.dtype != object
    if whole and (obs.ndim < 2 or acts.ndim < 2) or len(obs) != len(acts):
        raise InvalidValueError(
            f"{source}: obs of shape {obs.shape} and acts of shape {acts.shape} do not say where "
            "episodes end.",
            "Add an array lengths with the number of transitions of each episode.",
        )
    if rews is not None and len(rews) != len(acts):
        raise InvalidValueError(
            f"{source}: rews of {len(rews)} episodes, acts of {len(acts)}.", "One per action."
        )
    n = len(acts)
    terminal = flag_of(source, arrays, "terminal", n) if "terminal" in arrays else None
    for index in range(n):
        mine = {name: np.asarray(arrays[name][index]) for name in arrays if name != "terminal"}
        first, actions, rewards = mine["obs"], mine["acts"], mine.get("rews")
        steps = actions.shape[0] if actions.ndim else 0
        if rewards is not None and rewards.shape != (steps,):
            raise InvalidValueError(
                f"{source}: episode {index}, rews: shape {rewards.shape} instead of {(steps,)}.",
                "Give one reward per action.",
            )
        flags = flags_of(f"{source}: episode {index}", mine, steps)
        if flags.ends[:-1].any():
            raise InvalidValueError(
                f"{source}: episode {index}, {', '.join(flags.given)}: it goes on after step "
                f"{int(flags.ends.argmax())}, which is marked as its end.",
                "Give each episode its own length, or all of them one after the other.",
            )
        end = bool(flags.terminal[-1:].any()) if terminal is None else bool(terminal[index])
        if "next_obs" in mine and first.shape == mine["next_obs"].shape:
            first = np.concatenate([first, mine["next_obs"][-1:].astype(first.dtype)])
        lost = drop_last_action and len(first) == steps
        kept = slice(None, -1) if lost else slice(None)
        yield _episode(
            source,
            index,
            obs=first,
            acts=actions[kept],
            terminal=end and not lost,
            rews=None if rewards is None else rewards[kept],
        )


# -- cut by flags ----------------------------------------------------------------------------------


def _check_rows(source: object, arrays: Arrays, names: Sequence[str]) -> None:
    n = len(arrays["acts"])
    for name in names:
        if name in arrays and len(arrays[name]) != n:
            raise InvalidValueError(
                f"{source}: {name}: {len(arrays[name])} rows for {n} actions.",
                "Give one per transition.",
            )


def _from_transitions(source: object, arrays: Arrays, incomplete: str) -> Iterator[Trajectory]:
    obs, acts, next_obs, rews = (arrays.get(n) for n in ("obs", "acts", "next_obs", "rews"))
    assert obs is not None and acts is not None and next_obs is not None
    _check_rows(source, arrays, ("obs", "next_obs", "rews"))
    if next_obs.shape != obs.shape:
        raise InvalidValueError(
            f"{source}: next_obs: shape {next_obs.shape}, obs has {obs.shape}.", "Give the same."
        )
    n = len(acts)
    flags = flags_of(source, arrays, n)
    ends = flags.ends.copy()
    broken = ~_same(next_obs[:-1], obs[1:]) & ~ends[:-1]
    if ends[:-1].any() and broken.mean() > 0.5:
        raise InvalidValueError(
            f"{source}: next_obs is not the next row of obs in {int(broken.sum())} of {n - 1} "
            f"rows, where {', '.join(flags.given)} end no episode.",
            "Store both in the same units and precision, or leave next_obs out.",
        )
    ends[:-1] |= broken
    complete = bool(ends[-1])
    ends[-1] = True
    stops = _kept(source, np.flatnonzero(ends) + 1, complete, incomplete)
    for index, (a, b) in enumerate(zip([0, *stops[:-1]], stops, strict=True)):
        yield _episode(
            source,
            index,
            obs=np.concatenate([obs[a:b], next_obs[b - 1 : b].astype(obs.dtype)]),
            acts=acts[a:b],
            terminal=bool(flags.terminal[b - 1]),
            rews=None if rews is None else rews[a:b],
        )


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which rows (n,) are equal up to the precision in which they may have been stored."""
    size = math.prod(a.shape[1:])
    x, y = (values.reshape(len(values), size).astype(np.float64) for values in (a, b))
    larger = np.maximum(np.abs(x), np.abs(y))
    scale = np.nanmax(larger, axis=0, initial=0.0, where=np.isfinite(larger))
    close = (
        (np.abs(x - y) <= _SAME * larger + 1e-6 * scale) | (x == y) | (np.isnan(x) & np.isnan(y))
    )
    return np.asarray(close.all(axis=1))


def _kept(source: object, stops: np.ndarray, complete: bool, incomplete: str) -> list[int]:
    """Ends of the episodes that are used: the last one may not have an end of its own."""
    if not complete and incomplete == "drop":
        stops = stops[:-1]
        if not len(stops):
            raise validate.no_episodes(source)
    return [int(stop) for stop in stops]


def _fromflags_of(source: object, arrays: Arrays, incomplete: str) -> Iterator[Trajectory]:
    """Episodes whose last observation is not there: each loses its last action."""
    obs, acts, rews = arrays["obs"], arrays["acts"], arrays.get("rews")
    _check_rows(source, arrays, ("obs", "rews"))
    n = len(acts)
    ends = flags_of(source, arrays, n).ends
    if "episode_starts" in arrays and acts.shape == (n, 1) and acts.dtype.kind in "iu":
        acts = acts[:, 0]  # Stable-Baselines 2 gives discrete actions an axis
    complete = bool(ends[-1])
    ends[-1] = True
    stops = _kept(source, np.flatnonzero(ends) + 1, complete, incomplete)
    pairs = [(a, b) for a, b in zip([0, *stops[:-1]], stops, strict=True) if b - a > 1]
    if not pairs:
        raise InvalidValueError(
            f"{source}: no episode has two observations, and next_obs is not there.",
            "Add next_obs, one row per transition.",
        )
    for index, (a, b) in enumerate(pairs):
        yield _episode(
            source,
            index,
            obs=obs[a:b],
            acts=acts[a : b - 1],
            terminal=False,
            rews=None if rews is None else rews[a : b - 1],
        )


def _episode(source: object, index: int, **parts: Any) -> Trajectory:
    episode = validate.trajectory(source, index, **parts)
    validate.check_finite(source, index, episode)
    return episode
