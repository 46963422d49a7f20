"""Which observation and action spaces training can use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import Space, spaces

from airl_cli.errors import InvalidTypeError, InvalidValueError

_KNOWN = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_REMEDIES = {
    spaces.Text: "drop it (gymnasium.wrappers.FilterObservation) or encode it as numbers "
    "(gymnasium.wrappers.TransformObservation)",
    spaces.Graph: "give the nodes as an array of fixed size "
    "(gymnasium.wrappers.TransformObservation)",
    spaces.Sequence: "pad it to an array of fixed size (gymnasium.wrappers.TransformObservation)",
}
_REMEDY = (
    "make a Box, Discrete, MultiDiscrete or MultiBinary of it "
    "(gymnasium.wrappers.TransformObservation)"
)


def check_policy_spaces(
    observation_space: Space[Any], action_space: Space[Any], name: str = "the environment"
) -> None:
    """Refuses spaces that policies of Stable-Baselines3 do not know, or misread.

    Raises:
        InvalidTypeError: If a space, or a part of one, is of an unsupported type.
        InvalidValueError: If discrete values do not start at 0, or Box actions are integers.
    """
    check_types(observation_space, action_space, name)
    for what, space in (("observations", observation_space), ("actions", action_space)):
        for path, part in _leaves(space):
            start = getattr(part, "start", 0)
            if np.any(start):
                raise InvalidValueError(
                    f"{_place(what, name, path)} are {part}: values that start at {start} instead "
                    "of 0, which policies of Stable-Baselines3 would misread.",
                    "Renumber them from 0 with env.wrappers=[{_target_: airl_cli.envs.ZeroBased, "
                    "_partial_: true}]; demonstrations are then numbered in the same way.",
                )
    if isinstance(action_space, (spaces.Dict, spaces.Tuple)):
        raise InvalidTypeError(
            f"actions of {name} are a {type(action_space).__name__} space, which policies of "
            "Stable-Baselines3 do not know.",
            "Wrap the environment so that its actions are Box, Discrete, MultiDiscrete or "
            "MultiBinary: gymnasium.wrappers.FlattenAction.",
        )
    if isinstance(action_space, spaces.Box) and not np.issubdtype(action_space.dtype, np.floating):
        raise InvalidValueError(
            f"actions of {name} are a Box of {action_space.dtype}: policies of Stable-Baselines3 "
            "would give fractions, which are cut off.",
            "Declare them as Discrete or MultiDiscrete, or as a Box of float32 that is rounded: "
            "gymnasium.wrappers.TransformAction.",
        )


def _leaves(space: Space[Any], path: str = "") -> Iterator[tuple[str, Space[Any]]]:
    if isinstance(space, spaces.Dict):
        for key, part in space.spaces.items():
            yield from _leaves(part, f"{path}[{key!r}]")
    elif isinstance(space, spaces.Tuple):
        for index, part in enumerate(space.spaces):
            yield from _leaves(part, f"{path}[{index}]")
    else:
        yield path, space


def _place(what: str, name: str, path: str) -> str:
    return f"{what} of {name}, {path}," if path else f"{what} of {name}"


def check_types(
    observation_space: Space[Any], action_space: Space[Any], name: str = "the environment"
) -> None:
    """Refuses spaces of types that cannot be arrays, such as Text, Graph and Sequence.

    Raises:
        InvalidTypeError: If a space, or a part of one, is of an unsupported type.
    """
    for what, space in (("observations", observation_space), ("actions", action_space)):
        for path, part in _leaves(space):
            if isinstance(part, _KNOWN):
                continue
            remedy = next((t for kind, t in _REMEDIES.items() if isinstance(part, kind)), _REMEDY)
            raise InvalidTypeError(
                f"{_place(what, name, path)} are of the space {type(part).__name__}, which is not "
                "supported.",
                f"Wrap the environment: {remedy}.",
            )
