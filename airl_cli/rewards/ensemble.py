"""Several reward nets as one: their mean, and their disagreement."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.rewards.base import ArrayOrTensor, RewardNet, RewardNetWrapper
from airl_cli.rewards.layers import evaluating
from airl_cli.rewards.mlp import BasicPotentialMLP, BasicRewardNet
from airl_cli.rewards.shaped import ShapedRewardNet


class RewardEnsemble(RewardNet):
    """The mean of its members; their standard deviation tells how sure it is.

    Args:
        observation_space: Of every member.
        action_space: Of every member.
        members: At least two reward nets.

    Raises:
        InvalidValueError: Fewer than two members.
    """

    members: nn.ModuleList

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        members: Iterable[RewardNet],
    ) -> None:
        super().__init__(observation_space, action_space)
        self.members = nn.ModuleList(members)
        if len(self.members) < 2:
            raise InvalidValueError(
                f"an ensemble of {len(self.members)} has no disagreement.",
                "Give at least two members, for example reward.n_members=3.",
            )

    @property
    def num_members(self) -> int:
        """How many nets there are."""
        return len(self.members)

    @property
    def uses_action(self) -> bool:
        """Whether any member does."""
        return any(bool(member.uses_action) for member in self.members)

    def forward(
        self, state: th.Tensor, action: th.Tensor, next_state: th.Tensor, done: th.Tensor
    ) -> th.Tensor:
        """Mean rewards (batch,) of the members."""
        return self._all(state, action, next_state, done).mean(dim=1)

    def _all(self, *transition: th.Tensor) -> th.Tensor:
        return th.stack([member(*transition) for member in self.members], dim=1)

    def predict_all(
        self,
        state: ArrayOrTensor,
        action: ArrayOrTensor,
        next_state: ArrayOrTensor,
        done: ArrayOrTensor,
    ) -> np.ndarray:
        """Rewards (batch, members), without gradients."""
        with evaluating(self), th.no_grad():
            rewards = self._all(*self.preprocess(state, action, next_state, done))
        return rewards.cpu().numpy()

    def predict_reward_moments(
        self,
        state: np.ndarray,
        action: np.ndarray,
        next_state: np.ndarray,
        done: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and unbiased variance (batch,) over the members."""
        rewards = self.predict_all(state, action, next_state, done)
        return rewards.mean(axis=1), rewards.var(axis=1, ddof=1)


class AddSTDRewardWrapper(RewardNetWrapper):
    """Adds `alpha` standard deviations to an ensemble's processed reward.

    A positive `alpha` seeks what the members disagree about, a negative one avoids it.

    Args:
        base: A `RewardEnsemble`.
        default_alpha: Used where `predict_processed` is not told otherwise.

    Raises:
        InvalidTypeError: The base has no variance.
    """

    base: RewardEnsemble

    def __init__(self, base: RewardNet, default_alpha: float = 0.0) -> None:
        if not isinstance(base, RewardEnsemble):
            raise InvalidTypeError(
                f"AddSTDRewardWrapper needs the members' variance; {type(base).__name__} has none.",
                "Wrap a RewardEnsemble.",
            )
        super().__init__(base)
        self.default_alpha = default_alpha

    def predict_processed(
        self,
        state: np.ndarray,
        action: np.ndarray,
        next_state: np.ndarray,
        done: np.ndarray,
        alpha: float | None = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """`mean + alpha * std` (batch,).

        Args:
            state: Observations (batch, *observation shape).
            action: Actions (batch, *action shape).
            next_state: The observations after the actions.
            done: Whether `next_state` is terminal (batch,).
            alpha: Weight of the standard deviation; None: `default_alpha`.
            **kwargs: Ignored.
        """
        del kwargs
        ensemble: RewardEnsemble = self._base  # type: ignore[assignment]
        mean, variance = ensemble.predict_reward_moments(state, action, next_state, done)
        return mean + (self.default_alpha if alpha is None else alpha) * np.sqrt(variance)


class ShapedRewardEnsemble(ShapedRewardNet):
    """An ensemble of `BasicRewardNet`s under one shared potential.

    The potential is shared so that `AIRL.reward_test` is the unshaped ensemble.

    Args:
        observation_space: Of the environment.
        action_space: Of the environment.
        n_members: How many base nets, at least two.
        reward_hid_sizes: Hidden widths of each base net.
        potential_hid_sizes: Hidden widths of the potential.
        discount_factor: The generator's discount.
        use_state: Feed s to the base nets.
        use_action: Feed a.
        use_next_state: Feed s'.
        use_done: Feed the terminal flag.
        **kwargs: For `build_mlp`, of all nets.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        n_members: int = 3,
        reward_hid_sizes: Iterable[int] = (32,),
        potential_hid_sizes: Iterable[int] = (32, 32),
        discount_factor: float = 0.99,
        use_state: bool = True,
        use_action: bool = True,
        use_next_state: bool = False,
        use_done: bool = False,
        **kwargs: Any,
    ) -> None:
        hid_sizes = tuple(reward_hid_sizes)
        members = [
            BasicRewardNet(
                observation_space,
                action_space,
                use_state=use_state,
                use_action=use_action,
                use_next_state=use_next_state,
                use_done=use_done,
                hid_sizes=hid_sizes,
                **kwargs,
            )
            for _ in range(n_members)
        ]
        potential = BasicPotentialMLP(observation_space, potential_hid_sizes, **kwargs)
        ensemble = RewardEnsemble(observation_space, action_space, members)
        super().__init__(ensemble, potential, discount_factor)
