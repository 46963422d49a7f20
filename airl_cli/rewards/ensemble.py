"""Several reward nets as one: their mean, and their disagreement."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from torch import Tensor, nn

from airl_cli.errors import InvalidValueError
from airl_cli.limits import Count, Fraction, Members
from airl_cli.rewards.base import Array, RewardNet, RewardNetWithVariance
from airl_cli.rewards.layers import evaluating
from airl_cli.rewards.nets import BasicPotentialMLP, BasicRewardNet
from airl_cli.rewards.shaped import ShapedRewardNet


class RewardEnsemble(RewardNetWithVariance):
    """The mean of its members; their standard deviation measures how sure it is.

    Members only disagree where data are scarce if each of them is trained on its own loss, not
    on a loss of their mean (Lakshminarayanan et al. 2017, arXiv 1612.01474): see `one_member`.

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
        self.selected: int | None = None  # the member that `forward` is limited to
        if len(self.members) < 2:
            raise InvalidValueError(
                f"an ensemble of {len(self.members)} has no disagreement.",
                "Give at least two members.",
            )

    @property
    def num_members(self) -> int:
        """How many nets there are."""
        return len(self.members)

    @property
    def uses_action(self) -> bool:
        """Whether any member does."""
        return any(bool(member.uses_action) for member in self.members)

    @property
    def is_processed(self) -> bool:
        """Whether any member processes its rewards."""
        return any(bool(member.is_processed) for member in self.members)

    def forward(self, state: Tensor, action: Tensor, next_state: Tensor, done: Tensor) -> Tensor:
        """Mean rewards (batch,) of the members; of one alone within `one_member`."""
        if self.selected is not None:
            return self.members[self.selected](state, action, next_state, done)
        return self._all(state, action, next_state, done).mean(dim=1)

    def _all(self, *transition: Tensor) -> Tensor:
        return th.stack([member(*transition) for member in self.members], dim=1)

    def predict_all(self, state: Array, action: Array, next_state: Array, done: Array) -> Array:
        """The members' rewards as they are (batch, members), without gradients."""
        with evaluating(self), th.no_grad():
            return self._all(*self.preprocess(state, action, next_state, done)).cpu().numpy()

    def predict_processed_all(
        self, state: Array, action: Array, next_state: Array, done: Array, **kwargs: Any
    ) -> Array:
        """The members' `predict_processed` (batch, members).

        Args:
            state: Observations (batch, *observation shape).
            action: Actions (batch, *action shape).
            next_state: The observations after the actions.
            done: Whether `next_state` is terminal (batch,).
            **kwargs: For the members, such as `update_stats`.
        """
        if not self.is_processed:
            return self.predict_all(state, action, next_state, done)
        rewards = [
            member.predict_processed(state, action, next_state, done, **kwargs)
            for member in self.members
            if isinstance(member, RewardNet)
        ]
        return np.stack(rewards, axis=1)

    def predict_reward_moments(
        self, state: Array, action: Array, next_state: Array, done: Array, **kwargs: Any
    ) -> tuple[Array, Array]:
        """Mean and unbiased variance (batch,) of `predict_processed_all` over the members."""
        rewards = self.predict_processed_all(state, action, next_state, done, **kwargs)
        return rewards.mean(axis=1), rewards.var(axis=1, ddof=1)

    def predict_processed(
        self, state: Array, action: Array, next_state: Array, done: Array, **kwargs: Any
    ) -> Array:
        """Mean (batch,) of the members' `predict_processed`."""
        return self.predict_processed_all(state, action, next_state, done, **kwargs).mean(axis=1)


def count_members(net: nn.Module) -> int:
    """Members of the largest ensemble inside `net`; 1 where there is none."""
    return max([1, *(ensemble.num_members for ensemble in _ensembles(net))])


@contextlib.contextmanager
def one_member(net: nn.Module, index: int) -> Iterator[None]:
    """Limits every ensemble inside `net` to its member `index` (modulo their number).

    So that each member gets a loss of its own: whatever is computed from `net` within this
    context, shaping included, is computed from that member. Without an ensemble nothing changes.
    """
    ensembles = _ensembles(net)
    for ensemble in ensembles:
        ensemble.selected = index % ensemble.num_members
    try:
        yield
    finally:
        for ensemble in ensembles:
            ensemble.selected = None


def _ensembles(net: nn.Module) -> list[RewardEnsemble]:
    return [part for part in net.modules() if isinstance(part, RewardEnsemble)]


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
        use_state: Use s in the base nets.
        use_action: Use a.
        use_next_state: Use s'.
        use_done: Use the terminal flag.
        **kwargs: For `build_mlp`, of all nets.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        n_members: Members = 3,
        reward_hid_sizes: Iterable[Count] = (32,),
        potential_hid_sizes: Iterable[Count] = (32, 32),
        discount_factor: Fraction = 0.99,
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
