"""`f(s, a, s') = g(s, a) + gamma h(s') - h(s)`: a reward with potential shaping.

Fu, Luo & Levine 2018, equation 4; the shaping term leaves the optimal policy as it is (Ng, Harada
& Russell 1999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch as th
from gymnasium import spaces
from torch import Tensor

from airl_cli.limits import Count, Fraction
from airl_cli.rewards.base import ForwardWrapper, RewardNet
from airl_cli.rewards.nets import (
    BasicPotentialCNN,
    BasicPotentialMLP,
    BasicRewardNet,
    CnnRewardNet,
)


class ShapedRewardNet(ForwardWrapper):
    """A base reward plus potential shaping.

    Args:
        base: The reward g that is kept after training (`AIRL.reward_test`).
        potential: From preprocessed observations (batch, ...) to potentials (batch,).
        discount_factor: The generator's discount; with another one, shaping changes the task.

    Raises:
        InvalidValueError: The base processes rewards (`NormalizedRewardNet`): wrap the shaped net.
    """

    def __init__(
        self,
        base: RewardNet,
        potential: Callable[[Tensor], Tensor],
        discount_factor: Fraction,
    ) -> None:
        super().__init__(base)
        self.potential = potential  # a Module registers itself
        self.discount_factor = discount_factor

    def forward(self, state: Tensor, action: Tensor, next_state: Tensor, done: Tensor) -> Tensor:
        """Rewards (batch,); a terminal state has potential zero."""
        base = self.base(state, action, next_state, done)
        before, after = self.potential(th.cat([state, next_state])).flatten().chunk(2)
        return base + self.discount_factor * (1 - done) * after - before


class BasicShapedRewardNet(ShapedRewardNet):
    """`BasicRewardNet` shaped by a `BasicPotentialMLP`.

    Args:
        observation_space: Of the environment.
        action_space: Of the environment.
        reward_hid_sizes: Hidden widths of the base reward.
        potential_hid_sizes: Hidden widths of the potential.
        use_state: Use s in the base reward.
        use_action: Use a; off gives the state-only reward that transfers.
        use_next_state: Use s'.
        use_done: Use the terminal flag.
        discount_factor: The generator's discount.
        **kwargs: For `build_mlp`, of both nets.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        reward_hid_sizes: Iterable[Count] = (32,),
        potential_hid_sizes: Iterable[Count] = (32, 32),
        use_state: bool = True,
        use_action: bool = True,
        use_next_state: bool = False,
        use_done: bool = False,
        discount_factor: Fraction = 0.99,
        **kwargs: Any,
    ) -> None:
        base = BasicRewardNet(
            observation_space,
            action_space,
            use_state=use_state,
            use_action=use_action,
            use_next_state=use_next_state,
            use_done=use_done,
            hid_sizes=reward_hid_sizes,
            **kwargs,
        )
        potential = BasicPotentialMLP(observation_space, potential_hid_sizes, **kwargs)
        super().__init__(base, potential, discount_factor)


class CnnShapedRewardNet(ShapedRewardNet):
    """`CnnRewardNet` shaped by a `BasicPotentialCNN`.

    Args:
        observation_space: Image observations.
        action_space: Discrete where `use_action`.
        reward_hid_channels: Hidden channels of the base reward.
        potential_hid_channels: Hidden channels of the potential.
        discount_factor: The generator's discount.
        hwc_format: Images are (height, width, channels).
        spectral_norm: Of both nets, see `build_cnn`.
        **kwargs: For `CnnRewardNet`.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        reward_hid_channels: Iterable[Count] = (32, 32),
        potential_hid_channels: Iterable[Count] = (32, 32),
        discount_factor: Fraction = 0.99,
        hwc_format: bool = True,
        spectral_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        base = CnnRewardNet(
            observation_space,
            action_space,
            hid_channels=reward_hid_channels,
            hwc_format=hwc_format,
            spectral_norm=spectral_norm,
            **kwargs,
        )
        potential = BasicPotentialCNN(
            observation_space,
            potential_hid_channels,
            hwc_format=hwc_format,
            spectral_norm=spectral_norm,
        )
        super().__init__(base, potential, discount_factor)
