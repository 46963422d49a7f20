"""`f(s, a, s') = g(s, a) + gamma h(s') - h(s)`: the reward net that AIRL takes apart again.

Fu, Luo & Levine 2018, equation 4; the shaping term leaves the optimal policy as it is (Ng, Harada
& Russell 1999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch as th
from gymnasium import spaces

from airl_cli.rewards.base import RewardNet, RewardNetWrapper
from airl_cli.rewards.cnn import BasicPotentialCNN, CnnRewardNet
from airl_cli.rewards.mlp import BasicPotentialMLP, BasicRewardNet


class ShapedRewardNet(RewardNetWrapper):
    """A base reward plus potential shaping.

    Args:
        base: The reward g that survives training (`AIRL.reward_test`).
        potential: From preprocessed observations (batch, ...) to potentials (batch,).
        discount_factor: The generator's discount, or the shaping is none.
    """

    def __init__(
        self,
        base: RewardNet,
        potential: Callable[[th.Tensor], th.Tensor],
        discount_factor: float,
    ) -> None:
        super().__init__(base)
        self.potential = potential  # a Module registers itself
        self.discount_factor = discount_factor

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
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
        use_state: Feed s to the base reward.
        use_action: Feed a; off gives the state-only reward that transfers.
        use_next_state: Feed s'.
        use_done: Feed the terminal flag.
        discount_factor: The generator's discount.
        **kwargs: For `build_mlp`, of both nets.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        reward_hid_sizes: Iterable[int] = (32,),
        potential_hid_sizes: Iterable[int] = (32, 32),
        use_state: bool = True,
        use_action: bool = True,
        use_next_state: bool = False,
        use_done: bool = False,
        discount_factor: float = 0.99,
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
        hwc_format: Pictures are (height, width, channels).
        spectral_norm: Of both nets, see `build_cnn`.
        **kwargs: For `CnnRewardNet`.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        reward_hid_channels: Iterable[int] = (32, 32),
        potential_hid_channels: Iterable[int] = (32, 32),
        discount_factor: float = 0.99,
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
