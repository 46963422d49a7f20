"""Rewards and potentials of vector observations: multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from torch import nn

from airl_cli.errors import InvalidValueError
from airl_cli.rewards.base import RewardNet, check_supported_space
from airl_cli.rewards.layers import build_mlp


class BasicRewardNet(RewardNet):
    """An MLP on the chosen parts of a transition, concatenated.

    With `use_action=False, use_next_state=False, use_done=False` it is the state-only reward
    `g(s)` that AIRL needs for transfer (Fu, Luo & Levine 2018, section 5).

    Args:
        observation_space: Of the environment.
        action_space: Of the environment.
        use_state: Feed s.
        use_action: Feed a.
        use_next_state: Feed s'.
        use_done: Feed the terminal flag.
        **mlp_kwargs: For `build_mlp`; `hid_sizes` is (32, 32) unless given.

    Raises:
        InvalidValueError: All four parts switched off.
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
        super().__init__(observation_space, action_space)
        self.use_state = use_state
        self.use_action = use_action
        self.use_next_state = use_next_state
        self.use_done = use_done
        state_size = get_flattened_obs_dim(observation_space)
        sizes = (state_size, get_flattened_obs_dim(action_space), state_size, 1)
        in_size = sum(n for n, used in zip(sizes, self._used, strict=True) if used)
        if in_size == 0:
            raise InvalidValueError(
                "the reward net has no input: use_state, use_action, use_next_state and use_done "
                "are all false.",
                "Switch at least one of them on, for example reward.use_state=true.",
            )
        settings = {"hid_sizes": (32, 32), **mlp_kwargs}
        self.mlp = build_mlp(**{**settings, "in_size": in_size, "squeeze_output": True})

    @property
    def uses_action(self) -> bool:
        """Whether a is fed."""
        return self.use_action

    @property
    def _used(self) -> tuple[bool, bool, bool, bool]:
        return self.use_state, self.use_action, self.use_next_state, self.use_done

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Rewards (batch,)."""
        parts = (state, action, next_state, done.unsqueeze(-1))
        inputs = [x.flatten(1) for x, used in zip(parts, self._used, strict=True) if used]
        return self.mlp(inputs[0] if len(inputs) == 1 else th.cat(inputs, dim=1))


class BasicPotentialMLP(nn.Module):
    """The potential h(s) as an MLP.

    Args:
        observation_space: Of the environment.
        hid_sizes: Widths of the hidden layers.
        **kwargs: For `build_mlp`.
    """

    def __init__(
        self, observation_space: spaces.Space, hid_sizes: Iterable[int], **kwargs: Any
    ) -> None:
        super().__init__()
        check_supported_space(observation_space, "observation space")
        self.mlp = build_mlp(
            in_size=get_flattened_obs_dim(observation_space),
            hid_sizes=hid_sizes,
            squeeze_output=True,
            flatten_input=True,
            **kwargs,
        )

    def forward(self, state: th.Tensor) -> th.Tensor:
        """Potentials (batch,) of preprocessed observations."""
        return self.mlp(state)
