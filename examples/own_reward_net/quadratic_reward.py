"""A reward net of one's own: how near the state is to a point that it learns."""

from collections.abc import Iterable

import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from torch import nn
from torch.nn import functional as F

from airl_cli.rewards import BasicPotentialMLP, RewardNet, ShapedRewardNet


class QuadraticRewardNet(RewardNet):
    """`g(s) = - sum_i w_i (s_i - c_i)^2` with learned `c` and learned, positive `w`.

    Args:
        observation_space: Of the environment.
        action_space: Of the environment.
    """

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        super().__init__(observation_space, action_space)
        size = get_flattened_obs_dim(observation_space)
        self.center = nn.Parameter(th.zeros(size))
        self.raw_weight = nn.Parameter(th.zeros(size))

    @property
    def weight(self) -> th.Tensor:
        """`w` (observation size,)."""
        return F.softplus(self.raw_weight)

    @property
    def uses_action(self) -> bool:
        """No: so the reward fits environments with other actions, too."""
        return False

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Rewards (batch,) of preprocessed transitions."""
        return -(self.weight * (state.flatten(1) - self.center).square()).sum(dim=1)


class ShapedQuadraticRewardNet(ShapedRewardNet):
    """`f = g(s) + gamma h(s') - h(s)`: what AIRL trains; `reward_test` gives `g` back.

    Args:
        observation_space: Of the environment.
        action_space: Of the environment.
        potential_hid_sizes: Hidden widths of the potential `h`.
        discount_factor: The generator's discount.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        potential_hid_sizes: Iterable[int] = (32, 32),
        discount_factor: float = 0.99,
    ) -> None:
        base = QuadraticRewardNet(observation_space, action_space)
        potential = BasicPotentialMLP(observation_space, potential_hid_sizes)
        super().__init__(base, potential, discount_factor)
