"""Observations, actions and terminal flags as the float32 tensors that reward nets take."""

from __future__ import annotations

import math

import numpy as np
import torch as th
import torch.nn.functional as F
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from airl_cli.errors import InvalidTypeError, InvalidValueError

ArrayOrTensor = np.ndarray | th.Tensor

_SUPPORTED = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)


def check_supported_space(space: spaces.Space, what: str) -> None:
    """Refuses spaces that `encode` does not know.

    Raises:
        InvalidTypeError: Names the space and a wrapper that helps.
    """
    if not isinstance(space, _SUPPORTED):
        raise InvalidTypeError(
            f"the {what} {space} cannot be fed to a reward net: "
            "Box, Discrete, MultiDiscrete and MultiBinary can.",
            "Flatten it first, for example with gymnasium.wrappers.FlattenObservation.",
        )


def encoded_size(space: spaces.Space) -> int:
    """How many numbers `encode` makes of one element of `space`."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    assert space.shape is not None  # no composite space: `check_supported_space`
    return math.prod(space.shape)


def encode(
    values: ArrayOrTensor,
    space: spaces.Space,
    *,
    device: th.device | str = "cpu",
    normalize_images: bool = True,
) -> th.Tensor:
    """A batch of elements of `space` as float32.

    Args:
        values: Elements as the environment gives them (batch, *shape); of a Discrete space also
            (batch, 1).
        space: Box, Discrete, MultiDiscrete or MultiBinary.
        device: Of the result.
        normalize_images: Divide the pixels of image spaces by 255.

    Returns:
        One-hot vectors (batch, `encoded_size(space)`) for Discrete and MultiDiscrete spaces,
        counted from their `start`; (batch, *shape) for the others.
    """
    tensor = th.as_tensor(values, device=device)
    if isinstance(space, spaces.Discrete):
        return F.one_hot(tensor.long().reshape(-1) - int(space.start), int(space.n)).float()
    if isinstance(space, spaces.MultiDiscrete):
        start = th.as_tensor(np.ravel(space.start), device=device)
        columns = (tensor.long().reshape(len(tensor), -1) - start).unbind(dim=1)
        sizes = np.ravel(space.nvec).tolist()
        pairs = zip(columns, sizes, strict=True)
        return th.cat([F.one_hot(column, size).float() for column, size in pairs], dim=1)
    if normalize_images and is_image_space(space):
        return tensor.to(th.float32) / 255.0
    return tensor.to(th.float32)


def encode_dones(dones: ArrayOrTensor, *, device: th.device | str = "cpu") -> th.Tensor:
    """Terminal flags as 0.0 and 1.0 (batch,); a column (batch, 1) is flattened.

    Raises:
        InvalidValueError: Any other shape.
    """
    flags = th.as_tensor(dones, device=device).to(th.float32)
    if flags.ndim == 2 and flags.shape[1] == 1:
        flags = flags.squeeze(1)
    if flags.ndim != 1:
        raise InvalidValueError(
            f"dones of shape {tuple(flags.shape)} are not one flag per transition.",
            "Give dones of shape (batch,).",
        )
    return flags
