"""Arrays in a NumPy `.npz`, in the layouts that people and older programs use.

Episodes one after the other, in `obs`, `acts` and, where known, `rews` and `terminal` (one flag per
episode), are cut by one of these members:

- `lengths` (N,): transitions of each episode; `obs` has one row more per episode.
- `indices` (N - 1,): where in `acts` the next episodes begin; `obs` as above. This is the older
  format of `imitation`, whose pickled `infos` are left unread.
- `next_obs`: one row per transition, as in `obs`. An episode ends where `dones` (a terminal state)
  or `timeouts` say so, or where `next_obs` is not the next row of `obs`.

Without any of these, the first axis of `obs` (N, T + 1, ...) and `acts` (N, T, ...) counts
episodes. The longer names `observations`, `actions`, `rewards`, `next_observations`, `terminals`,
`truncations` and `terminations` are understood as well.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Space

from airl_cli.data import checks
from airl_cli.data.digest import sha256
from airl_cli.data.formats.base import Recording
from airl_cli.data.npz import member_names, named, read_member
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.serialization import atomic_write

NAME = "npz"
DESCRIPTION = "a NumPy .npz with obs, acts, lengths and, if known, rews and terminal"

_SYNONYMS = {
    "observations": "obs",
    "actions": "acts",
    "rewards": "rews",
    "next_observations": "next_obs",
    "terminals": "dones",
    "terminations": "dones",
    "truncations": "timeouts",
}
_FIELDS = ("obs", "acts", "rews", "terminal", "lengths", "indices", "next_obs", "dones", "timeouts")

Arrays = Mapping[str, np.ndarray]


def read(path: str) -> Recording:
    """The file's episodes.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, needs pickle, or its arrays do not make episodes.
    """
    with named(path):
        with zipfile.ZipFile(path) as archive:
            found = {_SYNONYMS.get(name, name): name for name in member_names(archive)}
            arrays = {
                field: read_member(archive, found[field], plain=False)
                for field in _FIELDS
                if field in found
            }
        for field in ("obs", "acts"):
            if field not in arrays:
                raise InvalidValueError(
                    f"it has no array {field!r}, only {', '.join(sorted(found)) or 'nothing'}",
                    "Save obs, acts and lengths (and rews, terminal) with numpy.savez.",
                )
    trajectories = list(_episodes(path, arrays))
    checks.check_uniform(path, trajectories)
    return Recording(
        source=path,
        format="imitation" if "indices" in arrays else NAME,
        trajectories=trajectories,
        sha256=sha256(path),
    )


def write(
    path: str,
    trajectories: Sequence[Trajectory],
    *,
    observation_space: Space[Any] | None = None,
    action_space: Space[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write the layout with `lengths`; spaces and metadata have no place in it."""
    columns = concatenated(trajectories)
    with atomic_write(Path(path)) as file:
        np.savez(file, **columns, lengths=checks.lengths_of(trajectories))  # type: ignore[arg-type]


def concatenated(trajectories: Sequence[Trajectory]) -> dict[str, np.ndarray]:
    """`obs`, `acts`, `terminal` and, where known, `rews` of all episodes."""
    checks.check_uniform("the recording", trajectories)
    columns = {
        "obs": np.concatenate([t.obs for t in trajectories]),
        "acts": np.concatenate([t.acts for t in trajectories]),
        "terminal": np.array([t.terminal for t in trajectories], dtype=bool),
    }
    if isinstance(trajectories[0], TrajectoryWithRew):
        columns["rews"] = np.concatenate(
            [t.rews for t in trajectories if isinstance(t, TrajectoryWithRew)]
        )
    return columns


def _episodes(path: str, arrays: Arrays) -> Iterator[Trajectory]:
    for name in ("obs", "acts"):
        if arrays[name].ndim == 0 or len(arrays[name]) == 0:
            raise checks.no_episodes(path)
    if "next_obs" in arrays:
        return _from_transitions(path, arrays)
    if "indices" in arrays:
        return _cut(path, arrays, _lengths_of_indices(path, arrays))
    if "lengths" in arrays:
        return _cut(path, arrays, arrays["lengths"])
    return _stacked(path, arrays)


def _lengths_of_indices(path: str, arrays: Arrays) -> np.ndarray:
    indices = arrays["indices"]
    if indices.ndim != 1 or (indices.dtype.kind not in "iu" and len(indices)):
        raise InvalidValueError(
            f"{path}: indices: {indices.dtype} of shape {indices.shape}.", "Give whole numbers."
        )
    total = len(arrays["acts"])
    cuts = indices.astype(np.int64)
    if len(cuts) and cuts[-1] == total:
        cuts = cuts[:-1]
    return np.diff(cuts, prepend=0, append=total)


def _cut(path: str, arrays: Arrays, lengths: np.ndarray) -> Iterator[Trajectory]:
    obs, acts, rews = arrays["obs"], arrays["acts"], arrays.get("rews")
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not len(lengths):
        raise InvalidValueError(f"{path}: lengths: no list of whole numbers.", "Give one each.")
    if int(lengths.min()) < 1:
        raise InvalidValueError(
            f"{path}: episode {int(lengths.argmin())}: it has no actions.", "Leave it out."
        )
    terminal = _terminal(path, arrays, len(lengths))
    total = sum(lengths.tolist())
    for name, rows, wanted in (
        ("obs", len(obs), total + len(lengths)),
        ("acts", len(acts), total),
        ("rews", total if rews is None else len(rews), total),
    ):
        if rows != wanted:
            raise InvalidValueError(
                f"{path}: {name}: {rows} rows, but {len(lengths)} episodes of {total} steps in all "
                f"have {wanted}.",
                "obs has one row more per episode than acts: the last observation.",
            )
    stop = np.cumsum(lengths.astype(np.int64)).tolist()
    for index, (b, n) in enumerate(zip(stop, lengths.tolist(), strict=True)):
        yield checks.trajectory(
            path,
            index,
            obs=obs[b - n + index : b + index + 1],
            acts=acts[b - n : b],
            terminal=bool(terminal[index]),
            rews=None if rews is None else rews[b - n : b],
        )


def _terminal(path: str, arrays: Arrays, n_episodes: int) -> np.ndarray:
    if "terminal" not in arrays:
        return np.zeros(n_episodes, dtype=bool)
    return _flags(path, arrays, "terminal", n_episodes)


def _flags(path: str, arrays: Arrays, name: str, n: int) -> np.ndarray:
    flags = arrays[name]
    if flags.shape != (n,) or not np.isin(flags, (0, 1)).all():
        raise InvalidValueError(
            f"{path}: {name}: {flags.dtype} of shape {flags.shape} instead of {n} times true or "
            "false.",
            "terminal has one flag per episode; dones and timeouts one per transition.",
        )
    return flags.astype(bool)


def _stacked(path: str, arrays: Arrays) -> Iterator[Trajectory]:
    obs, acts, rews = arrays["obs"], arrays["acts"], arrays.get("rews")
    if obs.ndim < 2 or acts.ndim < 2 or len(obs) != len(acts):
        raise InvalidValueError(
            f"{path}: obs of shape {obs.shape} and acts of shape {acts.shape} do not say where "
            "episodes end.",
            "Add an array lengths with the number of transitions of each episode.",
        )
    if rews is not None and rews.shape != acts.shape[:2]:
        raise InvalidValueError(
            f"{path}: rews: shape {rews.shape} instead of {acts.shape[:2]}.", "One per action."
        )
    terminal = _terminal(path, arrays, len(acts))
    for index in range(len(acts)):
        yield checks.trajectory(
            path,
            index,
            obs=obs[index],
            acts=acts[index],
            terminal=bool(terminal[index]),
            rews=None if rews is None else rews[index],
        )


def _from_transitions(path: str, arrays: Arrays) -> Iterator[Trajectory]:
    obs, acts, next_obs, rews = (arrays.get(n) for n in ("obs", "acts", "next_obs", "rews"))
    assert obs is not None and acts is not None and next_obs is not None
    n = len(acts)
    for name, values in (("obs", obs), ("next_obs", next_obs), ("rews", rews)):
        if values is not None and len(values) != n:
            raise InvalidValueError(
                f"{path}: {name}: {len(values)} rows for {n} actions.", "Give one per transition."
            )
    if next_obs.shape != obs.shape:
        raise InvalidValueError(
            f"{path}: next_obs: shape {next_obs.shape}, obs has {obs.shape}.", "Give the same."
        )
    done = _flags(path, arrays, "dones", n) if "dones" in arrays else np.zeros(n, dtype=bool)
    ends = done.copy()
    if "timeouts" in arrays:
        ends |= _flags(path, arrays, "timeouts", n)
    same = (next_obs[:-1] == obs[1:]) | (np.isnan(next_obs[:-1]) & np.isnan(obs[1:]))
    ends[:-1] |= ~same.reshape(n - 1, -1).all(axis=1)
    ends[-1] = True
    stops = np.flatnonzero(ends) + 1
    for index, (a, b) in enumerate(zip([0, *stops[:-1].tolist()], stops.tolist(), strict=True)):
        yield checks.trajectory(
            path,
            index,
            obs=np.concatenate([obs[a:b], next_obs[b - 1 : b]]),
            acts=acts[a:b],
            terminal=bool(done[b - 1]),
            rews=None if rews is None else rews[a:b],
        )
