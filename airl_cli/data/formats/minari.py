"""Minari datasets: by their id, where Minari keeps them, or by their folder.

Minari keeps `terminations` and `truncations` apart, and so does what is read here: an episode that
a time limit ended, or that was cut off while it was recorded, is not terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Space
from gymnasium.spaces.utils import flatdim, flatten_space

from airl_cli.data import validate
from airl_cli.data.digest import verify_checksums, write_checksums
from airl_cli.data.formats.base import Format, Options, Recording, require
from airl_cli.data.formats.hdf5 import check_contents
from airl_cli.data.spaces import MAX_ELEMENTS, describe, space_to_dict
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.data.validate import outside
from airl_cli.errors import AirlError, InvalidTypeError, InvalidValueError, NotFoundError, one_line
from airl_cli.files import atomic_folder, read_json

PREFIX = "minari:"
WHAT = "Minari dataset"
WHY = "a Minari dataset"


def read(path: str, options: Options) -> Recording:
    """The episodes of a dataset that is on this machine.

    Args:
        path: `minari:<id>`, or the dataset's folder (which has a folder `data` in it).
        options: Unused: the format leaves nothing open.

    Raises:
        NotFoundError: If Minari or the dataset is missing.
        InvalidTypeError: If it has Dict, Tuple or other spaces without plain arrays.
        InvalidValueError: If it is damaged.
    """
    require("minari", "minari", WHY)
    from minari.dataset.minari_dataset import MinariDataset

    folder = folder_of(path)
    if not (folder / "data").is_dir():
        raise NotFoundError(
            f"there is no Minari dataset {path}: no folder {folder / 'data'}.",
            "`minari list local` shows what is there, `minari list remote` what can be had; "
            "expert=minari expert.download=true downloads.",
        )
    verified = verify_checksums(folder)
    with validate.explained(path, WHAT):
        metadata = _read_metadata(path, folder / "data")
        _check_data(path, folder / "data")
        dataset = MinariDataset(folder / "data")
        own_space = _in_order(dataset.observation_space, json.loads(metadata["observation_space"]))
        observation_space = _flat_space(own_space)
        _check_space(path, "observation_space", observation_space)
        _check_space(path, "action_space", dataset.action_space)
        if len(dataset) == 0:
            raise validate.no_episodes(path)
        trajectories = [
            _episode(path, index, episode, own_space)
            for index, episode in enumerate(dataset.iterate_episodes())
        ]
    validate.check_uniform(path, trajectories)
    return Recording(
        path,
        MINARI.name,
        trajectories,
        observation_space,
        dataset.action_space,
        {"env": dataset.env_spec.id} if dataset.env_spec is not None else {},
        verified=verified,
    )


def write(path: str, recording: Recording, overwrite: bool) -> None:
    """Write a new dataset.

    Raises:
        InvalidValueError: If a space is missing, rewards are unknown, or the name is taken.
    """
    require("minari", "minari", WHY)
    from importlib.metadata import version

    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.dataset.minari_dataset import parse_dataset_id
    from minari.dataset.minari_storage import MinariStorage

    trajectories, metadata = recording.trajectories, dict(recording.metadata)
    if recording.observation_space is None or recording.action_space is None:
        raise InvalidValueError(
            "a Minari dataset needs the environment's spaces, and the recording has none.",
            "Name the environment: env=... .",
        )
    validate.check_uniform("the recording", trajectories)
    folder = folder_of(path)
    dataset_id = path.removeprefix(PREFIX) if path.startswith(PREFIX) else folder.name
    try:
        parse_dataset_id(dataset_id)
    except (ValueError, TypeError) as error:
        raise InvalidValueError(
            f"{dataset_id!r} is not a Minari dataset id.", "Use a name like cartpole/expert-v0."
        ) from error
    with atomic_folder(folder, replace=overwrite) as temporary:
        storage = MinariStorage.new(
            temporary.resolve() / "data",  # Minari joins relative paths twice
            observation_space=recording.observation_space,
            action_space=recording.action_space,
            jpeg_encoding=False,  # it would change the pixels
        )
        storage.update_metadata(
            {"dataset_id": dataset_id, "minari_version": version("minari")}
            | ({"description": json.dumps(metadata)} if metadata else {})
        )
        storage.update_episodes(
            [EpisodeBuffer(**_buffer(i, t)) for i, t in enumerate(trajectories)]
        )
        write_checksums(temporary)


def folder_of(path: str) -> Path:
    """Where a dataset lies: `minari:<id>` below Minari's own folder, or just a folder."""
    if not path.startswith(PREFIX):
        return Path(path)
    from minari.storage.datasets_root_dir import get_dataset_path

    return Path(get_dataset_path(path.removeprefix(PREFIX)))


def download(dataset_id: str) -> None:
    """Let Minari download a dataset, if it is not there yet.

    Raises:
        NotFoundError: If it cannot be had.
    """
    minari = require("minari", "minari", WHY)
    if (folder_of(PREFIX + dataset_id) / "data").is_dir():
        return
    try:
        minari.download_dataset(dataset_id)
    except Exception as error:  # each of its remotes raises its own
        reason = one_line(error)
        raise NotFoundError(
            f"Minari cannot download {dataset_id!r}: {reason.rstrip('.')}.",
            "Check the id (`minari list remote`) and the network; on a machine without one, copy "
            "the dataset's folder and set MINARI_DATASETS_PATH.",
        ) from error


def _read_metadata(path: str, folder: Path) -> dict[str, Any]:
    """The dataset's metadata, with its spaces.

    Where these are missing, Minari would construct the environment to find them out, and its entry
    point in a foreign dataset may be any function.
    """
    metadata = read_json(folder / "metadata.json")
    for name in ("observation_space", "action_space"):
        if not isinstance(metadata, dict) or not isinstance(metadata.get(name), str):
            raise InvalidValueError(
                f"{path} does not say what its {name.replace('_', ' ')} is.",
                "Write the dataset again with a present version of Minari.",
            )
    return metadata


def _in_order(space: Space[Any], described: Mapping[str, Any]) -> Space[Any]:
    """A space whose Dicts have the order of their description, which Minari sorts by name."""
    if isinstance(space, spaces.Dict):
        parts = described["subspaces"].items()
        return spaces.Dict([(name, _in_order(space[name], part)) for name, part in parts])
    if isinstance(space, spaces.Tuple):
        pairs = zip(space.spaces, described["subspaces"], strict=True)
        return spaces.Tuple([_in_order(part, description) for part, description in pairs])
    return space


def _check_data(path: str, folder: Path) -> None:
    """Refuses HDF5 files that show other files, or grow without measure."""
    import h5py

    for file_path in folder.rglob("*.hdf5"):
        with h5py.File(file_path, "r") as file:
            check_contents(path, file)


def _flat_space(space: Space[Any]) -> Space[Any]:
    """The Box that Gymnasium's `FlattenObservation` makes of a Dict or Tuple space."""
    if not isinstance(space, (spaces.Dict, spaces.Tuple)):
        return space
    if flatdim(space) > MAX_ELEMENTS:
        raise InvalidValueError("its observations have too many elements")
    return flatten_space(space)


def _flat(space: Space[Any], values: Any, n: int) -> np.ndarray:
    """Observations of a space as rows (n, size), in the order of Gymnasium's `flatten`."""
    if isinstance(space, spaces.Dict):
        parts = [_flat(part, values[key], n) for key, part in space.spaces.items()]
        return np.concatenate(parts, axis=1)
    if isinstance(space, spaces.Tuple):
        parts = [_flat(part, value, n) for part, value in zip(space.spaces, values, strict=True)]
        return np.concatenate(parts, axis=1)
    rows = np.asarray(values)
    if rows.shape != (n, *(space.shape or ())):
        raise InvalidValueError(f"observations of shape {rows.shape} do not fit {describe(space)}")
    if not isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        return rows.reshape(n, -1)
    if outside(space, rows).any():
        raise InvalidValueError(f"observations are not in {describe(space)}")
    sizes = np.ravel(space.nvec if isinstance(space, spaces.MultiDiscrete) else space.n)
    columns = (rows - space.start).reshape(n, -1)
    one_hot = np.zeros((n, int(sizes.sum())), dtype=space.dtype)
    first = np.cumsum(sizes) - sizes
    one_hot[np.arange(n)[:, None], first + columns] = 1
    return one_hot


def _check_space(path: str, name: str, space: Space[Any]) -> None:
    try:
        space_to_dict(space)
    except AirlError as error:
        raise InvalidTypeError(
            f"{path}: the {name.replace('_', ' ')} is a {type(space).__name__} space, which is "
            "not supported.",
            "Use a dataset with Box, Discrete, MultiDiscrete or MultiBinary actions, and "
            "observations of these or of a Dict of them.",
        ) from error


def _episode(path: str, index: int, episode: Any, space: Space[Any]) -> Trajectory:
    n = len(episode.rewards)
    for name in ("rewards", "terminations", "truncations"):
        shape = np.shape(getattr(episode, name))
        if shape != (n,):
            raise InvalidValueError(
                f"{path}: episode {index}, {name}: shape {shape} instead of {(n,)}.",
                "Give one per step.",
            )
    if not isinstance(episode.actions, np.ndarray):
        raise InvalidTypeError(
            f"{path}: episode {index}, actions: a {type(episode.actions).__name__}, not an array.",
            "Only Box, Discrete, MultiDiscrete and MultiBinary actions are supported.",
        )
    terminations = np.asarray(episode.terminations)
    if terminations[:-1].any():
        raise InvalidValueError(
            f"{path}: episode {index}, terminations: it goes on after step "
            f"{int(terminations.argmax())}, which was terminal.",
            "Record it again: an episode ends with its first terminal state.",
        )
    observations = episode.observations
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        observations = _flat(space, observations, n + 1).astype(_flat_space(space).dtype)
    return validate.trajectory(
        path,
        index,
        obs=observations,
        acts=episode.actions,
        terminal=bool(len(terminations) and terminations[-1]),
        rews=episode.rewards,
    )


def _buffer(index: int, trajectory: Trajectory) -> dict[str, Any]:
    if not isinstance(trajectory, TrajectoryWithRew):
        raise InvalidValueError(
            "a Minari dataset needs rewards, and the recording has none.",
            "Use format=airl, npz or huggingface.",
        )
    ends = np.zeros(len(trajectory), dtype=bool)
    ends[-1] = True
    return {
        "id": index,
        "observations": trajectory.obs,
        "actions": trajectory.acts,
        "rewards": trajectory.rews,
        "terminations": ends & trajectory.terminal,
        "truncations": ends & (not trajectory.terminal),
        "infos": {},
    }


MINARI = Format("minari", "a Minari dataset: minari:<id>, or its folder", read, write)
