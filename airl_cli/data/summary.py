"""Figures about a recording, gathered in one pass over its episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from airl_cli.data.transitions import has_actions
from airl_cli.data.types import Trajectory
from airl_cli.data.validate import lengths_of, returns_of

_SAMPLE = 2000  # transitions whose neighbours are looked for
_CLOSE = 0.1  # share of the nearest pairs that is judged


@dataclass(frozen=True)
class Range:
    """Of one element of observations or actions.

    Attributes:
        low: The smallest value.
        high: The largest value.
        mean: Over all steps.
        std: Likewise.
    """

    low: float
    high: float
    mean: float
    std: float


@dataclass(frozen=True)
class Summary:
    """What `airl demos info` shows.

    Attributes:
        lengths: Steps of each episode (n_episodes,).
        returns: True returns (n_episodes,); empty where rewards are unknown.
        terminal: Share of episodes that end in a terminal state.
        obs_shape: Of one observation.
        obs_dtype: Of observations.
        act_shape: Of one action.
        act_dtype: Of actions.
        obs: One range per element of an observation; one for all elements of images.
        acts: One range per element of an action.
        counts: Of each value of one-dimensional whole-number actions; empty for others.
        disagreement: How much actions in neighbouring states differ: 0 for a deterministic policy,
            1 for actions that do not depend on the state.
    """

    lengths: np.ndarray
    returns: np.ndarray
    terminal: float
    obs_shape: tuple[int, ...]
    obs_dtype: np.dtype
    act_shape: tuple[int, ...]
    act_dtype: np.dtype
    obs: list[Range]
    acts: list[Range]
    counts: dict[int, int]
    disagreement: float

    @property
    def looks_deterministic(self) -> bool | None:
        """Whether actions look deterministic; None where that cannot be told."""
        if self.disagreement < 0.05:
            return True
        return False if self.disagreement > 0.2 else None


def summarise(trajectories: Sequence[Trajectory]) -> Summary:
    """The figures of at least one episode; files are read an episode at a time."""
    first = trajectories[0]
    lengths = lengths_of(trajectories)
    one_by_one = first.obs.ndim <= 2
    obs_stats, act_stats = _Moments(per_element=one_by_one), _Moments()
    counts: dict[int, int] = {}
    terminal = 0
    sample: list[tuple[np.ndarray, np.ndarray]] = []
    share = _SAMPLE / max(int(lengths.sum()), 1)
    rng = np.random.default_rng(0)
    for episode in trajectories:
        obs_stats.add(episode.obs)
        act_stats.add(episode.acts)
        terminal += episode.terminal
        if episode.acts.ndim == 1 and episode.acts.dtype.kind in "biu":
            for value, count in zip(*np.unique(episode.acts, return_counts=True), strict=True):
                counts[int(value)] = counts.get(int(value), 0) + int(count)
        keep = rng.random(len(episode)) < share
        sample.append((episode.obs[:-1][keep], episode.acts[keep]))
    return Summary(
        lengths=lengths,
        returns=returns_of(trajectories),
        terminal=terminal / len(lengths),
        obs_shape=first.obs.shape[1:],
        obs_dtype=first.obs.dtype,
        act_shape=first.acts.shape[1:],
        act_dtype=first.acts.dtype,
        obs=obs_stats.ranges(),
        acts=act_stats.ranges(),
        counts=counts,
        disagreement=disagreement(
            *(np.concatenate(part) for part in zip(*sample, strict=True)), discrete=bool(counts)
        ),
    )


def disagreement(obs: np.ndarray, acts: np.ndarray, *, discrete: bool) -> float:
    """How much the actions of nearest neighbours among states differ, against any two actions.

    Only the nearest tenth of the pairs is judged: further apart, a deterministic policy's actions
    differ as well. NaN where there is nothing to compare.

    Args:
        obs: Observations (n, *shape).
        acts: Actions (n, *shape).
        discrete: Compare for equality instead of measuring distances.
    """
    n = len(obs)
    if n < 2 or not has_actions(acts):
        return float("nan")
    x = obs.reshape(n, -1).astype(np.float64)
    x = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    squares = np.square(x).sum(axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * x @ x.T
    np.fill_diagonal(distances, np.inf)
    neighbour = distances.argmin(axis=1)
    nearest = distances[np.arange(n), neighbour]
    close = np.argsort(nearest)[: max(2, int(_CLOSE * n))]
    a = acts.reshape(n, -1)
    if discrete:
        _, frequency = np.unique(a, return_counts=True)
        by_chance = 1 - float(np.square(frequency / n).sum())
        differ = float((a[close] != a[neighbour[close]]).any(axis=1).mean())
    else:
        by_chance = 2 * float(a.astype(np.float64).var(axis=0).sum())
        differ = float(np.square(a[close] - a[neighbour[close]].astype(np.float64)).sum(1).mean())
    return differ / by_chance if by_chance > 0 else 0.0


class _Moments:
    """Running ranges, means and deviations over the first axis."""

    def __init__(self, per_element: bool = True) -> None:
        self._per_element = per_element
        self._count = 0
        self._low, self._high = np.array(np.inf), np.array(-np.inf)
        self._sum, self._squares = np.array(0.0), np.array(0.0)

    def add(self, values: np.ndarray) -> None:
        rows = values.reshape(len(values), -1) if self._per_element else values.reshape(-1, 1)
        rows = rows.astype(np.float64)
        self._count += len(rows)
        self._low = np.minimum(self._low, rows.min(axis=0))
        self._high = np.maximum(self._high, rows.max(axis=0))
        self._sum = self._sum + rows.sum(axis=0)
        self._squares = self._squares + np.square(rows).sum(axis=0)

    def ranges(self) -> list[Range]:
        mean = self._sum / self._count
        std = np.sqrt(np.maximum(self._squares / self._count - np.square(mean), 0))
        columns = (self._low, self._high, mean, std)
        return [Range(*map(float, row)) for row in zip(*columns, strict=True)]
