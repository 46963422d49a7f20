"""HDF5 files of D4RL, robomimic and d3rlpy, or with arrays in any layout of `arrays`.

- D4RL, and d3rlpy 1: flat arrays with `terminals` and `timeouts` (or `episode_terminals`), with or
  without `next_observations`.
- robomimic and robosuite: a group `data` with a group per demonstration; of several observations,
  `columns={obs: [key, ...]}` chooses which ones, all of them otherwise, flattened in the order of
  their names as Gymnasium does it.
- d3rlpy 2: `observations_0`, `actions_0`, ... for each episode.

Without `next_observations`, the observation after an episode's last action is not in these files:
the last transition of each episode is left out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from airl_cli.data.formats import arrays as layouts
from airl_cli.data.formats.base import Format, Options, Recording, check_inflation, require
from airl_cli.data.formats.fields import SYNONYMS, fields_of, ragged
from airl_cli.data.validate import explained, no_episodes
from airl_cli.errors import InvalidValueError

WHAT = "HDF5 file of trajectories"
_EPISODE = re.compile(r"(\w+?)_(\d+)")
_MAX_DEPTH = 16
_ALIASES = {"episode_terminals": "dones", "terminated": "terminal"}


def read(path: str, options: Options) -> Recording:
    """The episodes of a file.

    Raises:
        NotFoundError: If h5py is not installed.
        InvalidValueError: If it is damaged, refers to other files, or does not hold episodes.
    """
    h5py = require("h5py", "hdf5", "an HDF5 file")
    with explained(path, WHAT), h5py.File(path, "r") as file:
        check_contents(path, file)
        name, named, metadata = _contents(path, file, options.names)
        named = _squeezed(named)
        mapping = {f: n for f, n in options.names.items() if isinstance(n, str) and n in named}
        fields = fields_of(path, named, mapping)
        if name != "hdf5":  # as many actions as observations
            options = replace(options, drop_last_action=True)
        trajectories = layouts.episodes(path, fields, options)
    return Recording(path, name, trajectories, metadata=metadata, verified=False)


def check_contents(source: str, group: Any, depth: int = 0) -> None:
    """Refuses what is not in the file itself, or is much larger than it.

    Args:
        source: For messages.
        group: An open file, or a group in it.
        depth: Of the group in the file.

    Raises:
        InvalidValueError: Naming the link or dataset.
    """
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise InvalidValueError(
                f"{source}: {name} is a link to {getattr(link, 'filename', link.path)}: not read.",
                "Copy the data into the file itself.",
            )
        item = group[name]
        if isinstance(item, h5py.Group):
            if depth == _MAX_DEPTH:
                raise InvalidValueError(f"{source}: groups in groups without end.", "Rewrite it.")
            check_contents(source, item, depth + 1)
            continue
        if not isinstance(item, h5py.Dataset):
            continue
        if item.external or item.is_virtual:
            raise InvalidValueError(
                f"{source}: the data of {name} is in other files: not read.",
                "Copy the data into the file itself.",
            )
        if item.shape is not None:
            size = item.dtype.itemsize * math.prod(item.shape)
            check_inflation(source, item.name, size, item.id.get_storage_size())


def _contents(
    path: str, file: Any, columns: Mapping[str, Any]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The layout's name, its arrays by name (one per episode, or flat), and metadata."""
    import h5py

    if isinstance(file.get("data"), h5py.Group):
        return "robomimic", _robomimic(path, file["data"], columns), _environment(file["data"])
    if "columns" in file and any(_EPISODE.fullmatch(name) for name in file):
        return "d3rlpy", _d3rlpy(path, file), {}
    named = {
        _ALIASES.get(name, name): item[()]
        for name, item in file.items()
        if isinstance(item, h5py.Dataset) and item.shape and item.dtype.kind in "biuf"
    }
    if "terminals" in named and "dones" in named:  # d3rlpy 1: its episode_terminals mark all ends
        named["terminations"] = named.pop("terminals")
    return "hdf5", named, {}


def _d3rlpy(path: str, file: Any) -> dict[str, Any]:
    found: dict[str, dict[int, Any]] = {}
    for name, item in file.items():
        match = _EPISODE.fullmatch(name)
        if match and _ALIASES.get(match[1], match[1]) in ("observations", "actions", "rewards"):
            found.setdefault(match[1], {})[int(match[2])] = item[()]
        elif match and match[1] == "terminated":
            found.setdefault("terminal", {})[int(match[2])] = bool(item[()])
    if not found.get("actions"):
        raise no_episodes(path)
    numbers = sorted(found["actions"])
    for name, episodes in found.items():
        if sorted(episodes) != numbers:
            raise InvalidValueError(
                f"{path}: {name}: {len(episodes)} episodes, actions of {len(numbers)}.",
                "Record it again; d3rlpy datasets with several observations are not supported.",
            )
    return {name: ragged([found[name][n] for n in numbers]) for name in found}


def _robomimic(path: str, data: Any, columns: Mapping[str, Any]) -> dict[str, Any]:
    names = sorted((n for n in data if _EPISODE.fullmatch(n)), key=lambda n: int(n.split("_")[-1]))
    if not names:
        raise no_episodes(path)
    episodes = [_demonstration(path, name, data[name], columns.get("obs")) for name in names]
    common = set.intersection(*map(set, episodes))
    return {field: ragged([episode[field] for episode in episodes]) for field in common}


def _demonstration(path: str, name: str, group: Any, keys: Any) -> dict[str, np.ndarray]:
    import h5py

    found: dict[str, np.ndarray] = {}
    for field in ("actions", "rewards", "dones", "states"):
        if field in group:
            found[field] = group[field][()]
    for field in ("obs", "next_obs"):
        if isinstance(group.get(field), h5py.Dataset):
            found[field] = group[field][()]
        elif field in group:
            found[field] = _flat(f"{path}: {name}", group[field], keys)
    if "obs" in found:
        found.pop("states", None)
    if "dones" in found:  # what is marked before the last step does not end the recorded episode
        found["dones"] = np.append(np.zeros(len(found["dones"]) - 1, bool), found["dones"][-1] > 0)
    return found


def _flat(source: str, group: Any, keys: Any) -> np.ndarray:
    chosen = sorted(group) if keys is None else [keys] if isinstance(keys, str) else list(keys)
    missing = [key for key in chosen if key not in group]
    if missing or not chosen:
        raise InvalidValueError(
            f"{source} has no observation {missing[0] if missing else ''}, only "
            f"{', '.join(sorted(group)) or 'nothing'}.",
            "Name them: columns={obs: [<key>, ...]}.",
        )
    parts = [group[key][()] for key in chosen]
    if len(parts) == 1:
        return np.asarray(parts[0])
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _environment(data: Any) -> dict[str, Any]:
    try:
        described = json.loads(data.attrs.get("env_args", "{}"))
        name = described.get("env_name")
    except (ValueError, AttributeError, TypeError):
        return {}
    return {"env": name} if isinstance(name, str) else {}


def _squeezed(named: Mapping[str, Any]) -> dict[str, Any]:
    """Rewards and flags of shape (n, 1), and so whole-number actions, as (n,)."""

    def flat(name: str, values: np.ndarray) -> np.ndarray:
        column = values.ndim == 2 and values.shape[1] == 1
        as_actions = name in SYNONYMS["acts"]
        if not column or name in SYNONYMS["obs"] + SYNONYMS["next_obs"]:
            return values
        return values if as_actions and values.dtype.kind == "f" else values[:, 0]

    found = {}
    for name, values in named.items():
        if values.dtype == object:
            found[name] = ragged([flat(name, np.asarray(value)) for value in values])
        else:
            found[name] = flat(name, values)
    return found


HDF5 = Format("hdf5", "an HDF5 file of D4RL, robomimic or d3rlpy (only read)", read)
