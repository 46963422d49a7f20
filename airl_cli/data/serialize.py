"""Trajectories in folders of Hugging Face `datasets`, under the names that imitation uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from airl_cli.data.formats import read, recognise, write
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.files import atomic_folder


def save(path: str | Path, trajectories: Sequence[Trajectory]) -> None:
    """Saves trajectories, replacing such a folder if there is one.

    Args:
        path: Of the folder.
        trajectories: At least one; all with rewards, or none. Infos are not kept.

    Raises:
        InvalidValueError: If something else is there.
    """
    target = Path(path)
    occupied = target.exists() and not (target.is_dir() and not any(target.iterdir()))
    if occupied and recognise(str(target)) != "huggingface":
        raise InvalidValueError(
            f"{target} is there already, and is no folder of trajectories.", "Choose another name."
        )
    with atomic_folder(target, replace=True) as folder:
        folder.rmdir()
        write(str(folder), trajectories, format="huggingface")


def load(path: str | Path) -> Sequence[Trajectory]:
    """The trajectories of such a folder, or of a file in any other format of `data.formats`.

    Raises:
        NotFoundError: If there is nothing there.
        InvalidValueError: If it is damaged, a pickle, or in no known format.
    """
    return read(str(path)).trajectories


def load_with_rewards(path: str | Path) -> Sequence[TrajectoryWithRew]:
    """As `load`.

    Raises:
        InvalidValueError: If the trajectories have no rewards, too.
    """
    trajectories = load(path)
    if not isinstance(trajectories[0], TrajectoryWithRew):
        raise InvalidValueError(f"the trajectories of {path} have no rewards.")
    return cast(Sequence[TrajectoryWithRew], trajectories)
