"""Every k-th transition of an episode, as expert data are thinned out in the literature.

What is kept are triples (s, a, s') as they happened: thinning the states first and pairing what is
left would make up steps of k times the length that no environment takes. The first transition
kept is drawn anew for each episode (Ho & Ermon 2016, arXiv 1606.03476, section 6).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from airl_cli.data.rollout import flatten_trajectories
from airl_cli.data.types import Trajectory, Transitions
from airl_cli.errors import InvalidValueError


def check_every(every: int) -> None:
    """Refuses what is no distance.

    Raises:
        InvalidValueError: If it is below 1.
    """
    if every < 1:
        raise InvalidValueError(
            f"expert.subsample={every} keeps nothing.", "Set it to 1 (everything) or more."
        )


def kept(lengths: np.ndarray, every: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the transitions to keep, counted through all episodes.

    Args:
        lengths: Transitions of each episode (n,).
        every: Distance between those kept.
        rng: Draws the first one of each episode; an episode shorter than `every` keeps one.
    """
    check_every(every)
    lengths = np.asarray(lengths, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    offsets = rng.integers(0, np.minimum(every, lengths))
    return np.concatenate(
        [
            np.arange(start + offset, start + length, every)
            for start, offset, length in zip(starts, offsets, lengths, strict=True)
        ]
    )


def subsampled(
    trajectories: Sequence[Trajectory], every: int, rng: np.random.Generator
) -> Transitions:
    """The kept transitions of trajectories in memory; arguments as in `kept`."""
    index = kept(np.array([len(t) for t in trajectories]), every, rng)
    return flatten_trajectories(trajectories)[index]
