"""The policies that made the discriminator's samples, and their mean density.

`D = exp(f) / (exp(f) + mu(a|s))` tells the expert's samples from the generator's only if mu is the
density of the distribution that the generator's samples come from. Samples that were kept over
several rounds come from several policies, so mu is their mean, weighted by the samples that each
of them made (Finn, Levine & Abbeel 2016, arXiv 1603.00448, section 4.2, weigh samples by such a
mixture). With the newest policy's density instead, f converges to `log pi` of whatever policy
came last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy

from airl_cli.algorithms.log_prob import action_log_prob
from airl_cli.algorithms.stacked import densities_of
from airl_cli.algorithms.state import State, listed, numbered


@dataclass
class _Group:
    """Consecutive samples, and the weights of the policy that stands for their makers.

    `weights` is None for uniformly random actions.
    """

    n_samples: int
    weights: dict[str, th.Tensor] | None


class PastPolicies:
    """Remembers who made the stored samples.

    Args:
        policy: The policy in training.
        capacity: Of the buffer that the samples are stored in.
        rng: Chooses which policies stay.
        reservoir: Whether the buffer holds a uniform sample of everything instead of the newest.
        limit: Policies to keep. Of more, neighbours in time share one of theirs, drawn in
            proportion to the samples; the newest stays.
    """

    def __init__(
        self,
        policy: BasePolicy,
        capacity: int,
        rng: np.random.Generator,
        *,
        reservoir: bool,
        limit: int,
    ) -> None:
        self.limit = limit
        self._policy = policy
        self._capacity = capacity
        self._reservoir = reservoir
        self._rng = rng
        self._groups: list[_Group] = []
        self._densities = densities_of(policy)

    def __len__(self) -> int:
        return len(self._groups)

    def record(self, n_samples: int, *, uniform: bool = False) -> None:
        """The policy as it is now has made samples, which were stored.

        Args:
            n_samples: How many.
            uniform: The actions were drawn uniformly instead (SB3's `learning_starts`).
        """
        if n_samples == 0:
            return
        groups = self._groups
        if uniform and groups and groups[-1].weights is None:
            groups[-1].n_samples += n_samples
        else:
            groups.append(
                _Group(n_samples, None if uniform else self._densities.weights_of(self._policy))
            )
        if not self._reservoir:
            self._forget_overwritten()
        while sum(group.weights is not None for group in groups) > self.limit:
            if not self._merge_smallest():
                break

    def log_prob(self, obs: th.Tensor, acts: th.Tensor) -> th.Tensor:
        """Log of the mean density (batch,) of actions as the environment received them.

        Before anything was recorded it is that of the policy in training.

        Args:
            obs: Observations (batch, *observation shape).
            acts: Actions (batch, *action shape).
        """
        if not self._groups:
            if self._policy.training:
                self._policy.set_training_mode(False)
            with th.no_grad():
                return action_log_prob(self._policy, obs, acts)
        total = sum(group.n_samples for group in self._groups)
        parts = self._log_probs(obs, acts)
        if len(parts) == 1:
            return parts[0]
        shares = th.tensor([group.n_samples / total for group in self._groups], device=obs.device)
        return th.logsumexp(th.stack(parts) + shares.log().unsqueeze(1), dim=0)

    def state_dict(self) -> State:
        """Sample numbers and weights."""
        groups = [{"n_samples": g.n_samples, "weights": g.weights} for g in self._groups]
        return {"groups": numbered(groups)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores them.

        Raises:
            ValueError: Weights of another policy.
        """
        own = self._densities.weights_of(self._policy)
        groups = []
        for stored in listed(state["groups"]):
            weights = stored["weights"]
            if weights is not None:
                weights = {name: weights[name].to(tensor) for name, tensor in own.items()}
                if any(weights[name].shape != tensor.shape for name, tensor in own.items()):
                    raise ValueError("the weights of a past policy have another shape")
                weights = {name: tensor.clone() for name, tensor in weights.items()}
            groups.append(_Group(int(stored["n_samples"]), weights))
        self._groups = groups

    def _forget_overwritten(self) -> None:
        excess = sum(group.n_samples for group in self._groups) - self._capacity
        while excess > 0:
            oldest = self._groups[0]
            gone = min(excess, oldest.n_samples)
            oldest.n_samples -= gone
            excess -= gone
            if oldest.n_samples == 0:
                self._groups.pop(0)

    def _merge_smallest(self) -> bool:
        """Merges the neighbours with the fewest samples; the newest stays alone if it can."""
        groups = self._groups
        last = len(groups) - (1 if self.limit > 1 else 0)
        pairs = [
            i for i in range(last - 1)
            if groups[i].weights is not None and groups[i + 1].weights is not None
        ]  # fmt: skip
        if not pairs:
            return False
        i = min(pairs, key=lambda i: groups[i].n_samples + groups[i + 1].n_samples)
        older, newer = groups[i], groups[i + 1]
        total = older.n_samples + newer.n_samples
        take_older = self.limit > 1 and self._rng.random() * total < older.n_samples
        groups[i : i + 2] = [_Group(total, (older if take_older else newer).weights)]
        return True

    def _log_probs(self, obs: th.Tensor, acts: th.Tensor) -> list[th.Tensor]:
        """Of each group (batch,), in order."""
        weights = [group.weights for group in self._groups if group.weights is not None]
        parts = iter(self._densities.log_probs(weights, obs, acts)) if weights else iter(())
        density = uniform_log_density(self._policy.action_space)
        uniform = th.full((len(obs),), density, device=obs.device)
        return [uniform if g.weights is None else next(parts) for g in self._groups]


def uniform_log_density(space: spaces.Space) -> float:
    """Log-density of uniformly random actions, in the measure of `action_log_prob`."""
    if isinstance(space, spaces.Box):
        return -float(np.log(space.high.astype(float) - space.low.astype(float)).sum())
    if isinstance(space, spaces.Discrete):
        return -math.log(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return -float(np.log(space.nvec).sum())
    assert isinstance(space, spaces.MultiBinary)
    return -math.log(2) * float(np.prod(space.shape))
