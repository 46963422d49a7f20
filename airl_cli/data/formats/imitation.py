"""The older `.npz` of `imitation`: arrays of all episodes and the places where they are cut.

`imitation` wrote info dicts into it as pickles; they are never read here. Written here is an array
of empty texts in their place, so that `imitation` can load the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Space

from airl_cli.data.checks import lengths_of
from airl_cli.data.formats.arrays import concatenated, read
from airl_cli.data.types import Trajectory
from airl_cli.serialization import atomic_write

__all__ = ["DESCRIPTION", "NAME", "read", "write"]

NAME = "imitation"
DESCRIPTION = "the older .npz of imitation: obs, acts, indices, terminal and, if known, rews"


def write(
    path: str,
    trajectories: Sequence[Trajectory],
    *,
    observation_space: Space[Any] | None = None,
    action_space: Space[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write the file; spaces and metadata have no place in it."""
    columns = concatenated(trajectories)
    infos = np.full(len(columns["acts"]), "{}")
    cuts = np.cumsum(lengths_of(trajectories))[:-1]
    with atomic_write(Path(path)) as file:
        np.savez_compressed(file, **columns, infos=infos, indices=cuts)  # type: ignore[arg-type]
