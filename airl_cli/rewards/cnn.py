"""Rewards and potentials of image observations: convolutional nets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from torch import nn

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards.base import RewardNet
from airl_cli.rewards.layers import build_cnn


class CnnRewardNet(RewardNet):
    """A CNN on images, with one output per discrete action and terminal flag.

    The chosen pictures are stacked along the channels; a discrete action picks its own output, and
    so does the terminal flag, instead of being drawn into the picture.

    Args:
        observation_space: Image observations (`uint8`, 0 to 255).
        action_space: Discrete where `use_action`.
        use_state: Feed the picture s.
        use_action: One output per action.
        use_next_state: Feed the picture s'.
        use_done: One output for each value of the terminal flag.
        hwc_format: Pictures are (height, width, channels); False: (channels, height, width).
        **cnn_kwargs: For `build_cnn`; `hid_channels` is (32, 32) unless given.

    Raises:
        InvalidTypeError: Observations that are no images, or actions that are not discrete.
        InvalidValueError: Neither s nor s' is used.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        use_state: bool = True,
        use_action: bool = True,
        use_next_state: bool = False,
        use_done: bool = False,
        hwc_format: bool = True,
        **cnn_kwargs: Any,
    ) -> None:
        super().__init__(observation_space, action_space)
        _check_image(observation_space, "CnnRewardNet")
        if not (use_state or use_next_state):
            raise InvalidValueError(
                "the CNN reward net has no picture: use_state and use_next_state are both false.",
                "Switch one on, for example reward.use_state=true.",
            )
        if use_action and not isinstance(action_space, spaces.Discrete):
            raise InvalidTypeError(
                f"CnnRewardNet has one output per discrete action; the action space is "
                f"{action_space}.",
                "Set reward.use_action=false, or use an MLP reward net (reward=basic).",
            )
        self.use_state = use_state
        self.use_action = use_action
        self.use_next_state = use_next_state
        self.use_done = use_done
        self.hwc_format = hwc_format
        n_actions = int(action_space.n) if isinstance(action_space, spaces.Discrete) else 1
        out_size = (n_actions if use_action else 1) * (2 if use_done else 1)
        channels = _n_channels(observation_space, hwc_format) * (use_state + use_next_state)
        settings = {"hid_channels": (32, 32), **cnn_kwargs}
        self.cnn = build_cnn(**{**settings, "in_channels": channels, "out_size": out_size})

    @property
    def uses_action(self) -> bool:
        """Whether a is fed."""
        return self.use_action

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Rewards (batch,)."""
        parts = ((state, self.use_state), (next_state, self.use_next_state))
        pictures = [_channels_first(x, self.hwc_format) for x, used in parts if used]
        outputs = self.cnn(th.cat(pictures, dim=1))
        column = th.zeros(len(outputs), dtype=th.int64, device=outputs.device)
        if self.use_action:
            column = action.argmax(dim=1)
        if self.use_done:
            column = 2 * column + done.to(th.int64)
        return outputs.gather(1, column.unsqueeze(1)).squeeze(1)


class BasicPotentialCNN(nn.Module):
    """The potential h(s) as a CNN on images.

    Args:
        observation_space: Image observations.
        hid_sizes: Channels of the hidden convolutions.
        hwc_format: Pictures are (height, width, channels); False: (channels, height, width).
        **kwargs: For `build_cnn`.

    Raises:
        InvalidTypeError: Observations that are no images.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        hid_sizes: Iterable[int],
        hwc_format: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        _check_image(observation_space, "BasicPotentialCNN")
        self.hwc_format = hwc_format
        self.cnn = build_cnn(
            in_channels=_n_channels(observation_space, hwc_format),
            hid_channels=hid_sizes,
            squeeze_output=True,
            **kwargs,
        )

    def forward(self, state: th.Tensor) -> th.Tensor:
        """Potentials (batch,) of preprocessed pictures."""
        return self.cnn(_channels_first(state, self.hwc_format))


def _check_image(space: spaces.Space, net: str) -> None:
    if not is_image_space(space):
        raise InvalidTypeError(
            f"{net} takes image observations (Box, uint8, 0 to 255); the space is {space}.",
            "Use an MLP reward net instead, for example reward=shaped.",
        )


def _n_channels(space: spaces.Space, hwc_format: bool) -> int:
    assert space.shape is not None
    return space.shape[-1] if hwc_format else space.shape[0]


def _channels_first(picture: th.Tensor, hwc_format: bool) -> th.Tensor:
    return picture.permute(0, 3, 1, 2) if hwc_format else picture
