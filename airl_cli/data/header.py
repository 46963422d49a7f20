"""What a trajectory file says about itself: its member `header`, JSON in UTF-8."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from typing import Any

import numpy as np
from gymnasium.spaces import Space

from airl_cli.data.npz import member_names, read_member
from airl_cli.data.spaces import space_from_dict, space_to_dict
from airl_cli.errors import InvalidValueError
from airl_cli.serialization import to_jsonable

FORMAT = "airl-cli trajectories"
VERSION = 1
MEMBERS = frozenset({"acts", "lengths", "obs", "terminal"})
_KEYS = {"format", "version", "members", "observation_space", "action_space", "metadata"}
_MAX_BYTES = 2**28


@dataclasses.dataclass(frozen=True)
class Header:
    """What a trajectory file says about itself.

    Attributes:
        version: Of the format.
        members: Names of the arrays in the file, but for the header itself.
        observation_space: Of the environment, if it was saved.
        action_space: Of the environment, if it was saved.
        metadata: What the writer added, such as where the trajectories come from.
    """

    version: int
    members: frozenset[str]
    observation_space: Space[Any] | None
    action_space: Space[Any] | None
    metadata: dict[str, Any]

    def encoded(self) -> np.ndarray:
        """As the file holds it: (bytes,) uint8.

        Raises:
            InvalidTypeError: If a space or the metadata has no JSON form.
        """
        content = {
            "format": FORMAT,
            "version": self.version,
            "members": sorted(self.members),
            "observation_space": _space_to_json(self.observation_space),
            "action_space": _space_to_json(self.action_space),
            "metadata": to_jsonable(self.metadata),
        }
        return np.frombuffer(json.dumps(content, allow_nan=False).encode(), dtype=np.uint8)


def read_header(archive: zipfile.ZipFile) -> Header:
    """The header of an open file, whose members are those that it names.

    Raises:
        InvalidValueError: If it is damaged, of another format or of a newer version.
    """
    if archive.getinfo("header.npy").file_size > _MAX_BYTES:
        raise InvalidValueError("its header is too long")
    data = json.loads(read_member(archive, "header").tobytes())
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InvalidValueError("its header is not one of a trajectory file")
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise InvalidValueError(f"its format version is {version!r}")
    if version > VERSION:
        raise InvalidValueError(
            f"it has format version {version}, this airl-cli reads up to {VERSION}",
            "Upgrade airl-cli: pip install --upgrade airl-cli",
        )
    if set(data) != _KEYS or not isinstance(data["metadata"], dict):
        raise InvalidValueError("its header lacks or has unknown fields")
    if data["members"] not in (sorted(MEMBERS), sorted(MEMBERS | {"rews"})):
        raise InvalidValueError("its header names other members than a trajectory file has")
    members = frozenset(data["members"])
    missing = members - member_names(archive)
    if missing:
        raise InvalidValueError(f"it lacks {', '.join(sorted(missing))}")
    observation_space, action_space = (
        None if data[name] is None else space_from_dict(data[name])
        for name in ("observation_space", "action_space")
    )
    return Header(version, members, observation_space, action_space, data["metadata"])


def _space_to_json(space: Space[Any] | None) -> dict[str, Any] | None:
    return None if space is None else space_to_dict(space)
