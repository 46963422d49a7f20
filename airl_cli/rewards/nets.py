"""Rewards and potentials: multilayer perceptrons, and convolutional nets for images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from torch import Tensor, nn

from airl_cli.errors import InvalidValueError
from airl_cli.rewards.base import RewardNet
from airl_cli.rewards.encoding import check_supported_space, encoded_size
from airl_cli.rewards.layers import build_cnn, build_mlp


class _PartsRewardNet(RewardNet):
    """A reward net that is told which parts of a transition to use."""

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        use_state: bool,
        use_action: bool,
        use_next_state: bool,
        use_done: bool,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.use_state = use_state
        self.use_action = use_action
        self.use_next_state = use_next_state
        self.use_done = use_done

    @property
    def uses_action(self) -> bool:
        """`use_action`."""
        return self.use_action


class BasicRewardNet(_PartsRewardNet):
    """An MLP on the chosen parts of a transition, concatenated.

    With `use_action=False, use_next_state=False, use_done=False` it is the state-only reward
    `g(s)` that AIRL needs for transfer (Fu, Luo & Levine 2018, section 5).

    Args:
        observation_space: Of the environment.
        action_space: Of the environment.
        use_state: Use s.
        use_action: Use a.
        use_next_state: Use s'.
        use_done: Use the terminal flag.
        **mlp_kwargs: For `build_mlp`; `hid_sizes` is (32, 32) unless given.

    Raises:
        InvalidValueError: All four parts are switched off.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        use_state: bool = True,
        use_action: bool = True,
        use_next_state: bool = False,
        use_done: bool = False,
        **mlp_kwargs: Any,
    ) -> None:
        super().__init__(
            observation_space, action_space, use_state, use_action, use_next_state, use_done
        )
        state_size = encoded_size(observation_space)
        sizes = (state_size, encoded_size(action_space), state_size, 1)
        in_size = sum(size for size, used in zip(sizes, self._used, strict=True) if used)
        if in_size == 0:
            raise InvalidValueError(
                "the reward net has no input: use_state, use_action, use_next_state and use_done "
                "are all false.",
                "Switch at least one of them on, for example use_state=True.",
            )
        settings = {"hid_sizes": (32, 32), **mlp_kwargs}
        self.mlp = build_mlp(**{**settings, "in_size": in_size, "squeeze_output": True})

    @property
    def _used(self) -> tuple[bool, bool, bool, bool]:
        return self.use_state, self.use_action, self.use_next_state, self.use_done

    def forward(self, state: Tensor, action: Tensor, next_state: Tensor, done: Tensor) -> Tensor:
        """Rewards (batch,)."""
        parts = (state, action, next_state, done.unsqueeze(-1))
        inputs = [x.flatten(1) for x, used in zip(parts, self._used, strict=True) if used]
        return self.mlp(inputs[0] if len(inputs) == 1 else th.cat(inputs, dim=1))


class CnnRewardNet(_PartsRewardNet):
    """A CNN on images, with one output for each discrete action and value of the terminal flag.

    The images used are stacked along the channels. Output `done * n_actions + action` is the
    reward.

    Args:
        observation_space: Image observations (`uint8`, 0 to 255).
        action_space: Discrete where `use_action`.
        use_state: Use the image s.
        use_action: One output per action.
        use_next_state: Use the image s'.
        use_done: One output for each value of the terminal flag.
        hwc_format: Images are (height, width, channels); False: (channels, height, width).
        **cnn_kwargs: For `build_cnn`; `hid_channels` is (32, 32) unless given.

    Raises:
        InvalidValueError: Observations that are no images, actions that are not discrete, or
            neither s nor s' is used.
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
        super().__init__(
            observation_space, action_space, use_state, use_action, use_next_state, use_done
        )
        _check_image(observation_space, "CnnRewardNet")
        if not (use_state or use_next_state):
            raise InvalidValueError(
                "the CNN reward net has no image: use_state and use_next_state are both false.",
                "Switch one on, for example use_state=True.",
            )
        if use_action and not isinstance(action_space, spaces.Discrete):
            raise InvalidValueError(
                f"CnnRewardNet has one output per discrete action; the action space is "
                f"{action_space}.",
                "Set use_action=false, or use an MLP reward net.",
            )
        self.hwc_format = hwc_format
        n_actions = int(action_space.n) if isinstance(action_space, spaces.Discrete) else 1
        self._n_actions = n_actions if use_action else 1
        channels = _n_channels(observation_space, hwc_format) * (use_state + use_next_state)
        out_size = self._n_actions * (2 if use_done else 1)
        settings = {"hid_channels": (32, 32), **cnn_kwargs}
        self.cnn = build_cnn(**{**settings, "in_channels": channels, "out_size": out_size})

    def forward(self, state: Tensor, action: Tensor, next_state: Tensor, done: Tensor) -> Tensor:
        """Rewards (batch,)."""
        parts = ((state, self.use_state), (next_state, self.use_next_state))
        images = [_channels_first(x, self.hwc_format) for x, used in parts if used]
        outputs = self.cnn(th.cat(images, dim=1))
        column = th.zeros(len(outputs), dtype=th.int64, device=outputs.device)
        if self.use_action:
            column = action.argmax(dim=1)
        if self.use_done:
            column = column + self._n_actions * done.to(th.int64)
        return outputs.gather(1, column.unsqueeze(1)).squeeze(1)


class _Potential(nn.Module):
    """Weights saved under `_potential_net`, imitation's name of the layers, load too."""

    layers: str  # the attribute that holds them

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_rename_potential_net)


def _rename_potential_net(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *unused: Any
) -> None:
    assert isinstance(module, _Potential)
    old = f"{prefix}_potential_net."
    for name in [name for name in state_dict if name.startswith(old)]:
        state_dict[f"{prefix}{module.layers}.{name[len(old) :]}"] = state_dict.pop(name)


class BasicPotentialMLP(_Potential):
    """The potential h(s) as an MLP.

    Args:
        observation_space: Of the environment.
        hid_sizes: Widths of the hidden layers.
        **kwargs: For `build_mlp`.
    """

    layers = "mlp"

    def __init__(
        self, observation_space: spaces.Space, hid_sizes: Iterable[int], **kwargs: Any
    ) -> None:
        super().__init__()
        check_supported_space(observation_space, "observation space")
        self.mlp = build_mlp(
            in_size=encoded_size(observation_space),
            hid_sizes=hid_sizes,
            squeeze_output=True,
            flatten_input=True,
            **kwargs,
        )

    def forward(self, state: Tensor) -> Tensor:
        """Potentials (batch,) of preprocessed observations."""
        return self.mlp(state)


class BasicPotentialCNN(_Potential):
    """The potential h(s) as a CNN on images.

    Args:
        observation_space: Image observations.
        hid_sizes: Channels of the hidden convolutions.
        hwc_format: Images are (height, width, channels); False: (channels, height, width).
        **kwargs: For `build_cnn`.

    Raises:
        InvalidValueError: Observations that are no images.
    """

    layers = "cnn"

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

    def forward(self, state: Tensor) -> Tensor:
        """Potentials (batch,) of preprocessed images."""
        return self.cnn(_channels_first(state, self.hwc_format))


def _check_image(space: spaces.Space, net: str) -> None:
    if not is_image_space(space):
        raise InvalidValueError(
            f"{net} takes image observations (Box, uint8, 0 to 255); the space is {space}.",
            "Use an MLP reward net instead, such as BasicShapedRewardNet (reward=shaped).",
        )


def _n_channels(space: spaces.Space, hwc_format: bool) -> int:
    assert space.shape is not None
    return space.shape[-1] if hwc_format else space.shape[0]


def _channels_first(image: Tensor, hwc_format: bool) -> Tensor:
    return image.permute(0, 3, 1, 2) if hwc_format else image
