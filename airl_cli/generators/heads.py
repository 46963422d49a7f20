"""Action distributions with gradients written out: what actors say about actions.

Both heads have the same members. `sample` draws from torch's random stream exactly what
Stable-Baselines3's distributions would, so that the same seed gives the same actions.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch as th
from torch import nn

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class Head(Protocol):
    """A distribution over actions as a function of an actor's outputs."""

    def parameters(self) -> list[nn.Parameter]:
        """Trained parameters beside the actor's."""
        ...

    def refresh(self) -> None:
        """Looks the parameters' memory up; needed whenever it has moved."""
        ...

    def begin(self) -> None:
        """The parameters have changed: prepares for the calls that follow."""
        ...

    def sample(self, outputs: th.Tensor) -> th.Tensor:
        """Actions (batch, *action shape) as SB3's rollout buffer keeps them."""
        ...

    def encode(self, actions: th.Tensor) -> th.Tensor:
        """Actions of a rollout buffer in the type that `log_prob` takes."""
        ...

    def log_prob(self, outputs: th.Tensor, actions: th.Tensor) -> th.Tensor:
        """Log-probabilities (batch,); remembers what `backward` needs."""
        ...

    def entropy(self) -> th.Tensor:
        """Mean entropy in nats (scalar), where `log_prob` was asked for last."""
        ...

    def backward(self, grad: th.Tensor, ent_coef: float) -> th.Tensor:
        """Gradient in the actor's outputs; writes those of the own parameters.

        Args:
            grad: Of the loss in the log-probabilities (batch,).
            ent_coef: The loss holds minus this times the mean entropy.
        """
        ...


class GaussianHead:
    """Independent normal distributions, their deviations the same in every state.

    Args:
        log_std: Logarithms of the deviations (action dimensions,).
    """

    def __init__(self, log_std: nn.Parameter) -> None:
        self._parameter = log_std

    def parameters(self) -> list[nn.Parameter]:
        """The logarithms of the deviations."""
        return [self._parameter]

    def refresh(self) -> None:
        """See `Head`."""
        self._log_std, self._grad = self._parameter.data, self._parameter.grad

    def begin(self) -> None:
        """See `Head`."""
        self._std = self._log_std.exp()
        self._precision = self._std.reciprocal()
        self._constant = self._log_std.sum() + len(self._log_std) * _LOG_SQRT_2PI

    def sample(self, outputs: th.Tensor) -> th.Tensor:
        """Mean plus deviation times noise."""
        return th.empty_like(outputs).normal_().mul_(self._std).add_(outputs)

    def encode(self, actions: th.Tensor) -> th.Tensor:
        """As float32."""
        return actions.float()

    def log_prob(self, outputs: th.Tensor, actions: th.Tensor) -> th.Tensor:
        """See `Head`."""
        self._z = (actions - outputs).mul_(self._precision)
        return self._z.square().sum(1).mul_(-0.5).sub_(self._constant)

    def entropy(self) -> th.Tensor:
        """The same in every state."""
        return self._constant + 0.5 * len(self._log_std)

    def backward(self, grad: th.Tensor, ent_coef: float) -> th.Tensor:
        """Of log N: z / std in the mean, z^2 - 1 in log std; the entropy grows with log std."""
        weighted = self._z * grad.unsqueeze(1)
        th.sum(weighted * self._z, 0, out=self._grad)
        assert self._grad is not None
        self._grad.sub_(grad.sum())
        if ent_coef:
            self._grad.sub_(ent_coef)
        return weighted.mul_(self._precision)


class CategoricalHead:
    """One of n actions, by logits."""

    def parameters(self) -> list[nn.Parameter]:
        """None."""
        return []

    def refresh(self) -> None:
        """Nothing to do."""

    def begin(self) -> None:
        """Nothing to do."""

    def sample(self, outputs: th.Tensor) -> th.Tensor:
        """The action with the largest p / q, q exponential: torch's `multinomial` of one sample."""
        noise = th.empty_like(outputs).exponential_(1)
        return outputs.softmax(1).div_(noise).argmax(1, keepdim=True)

    def encode(self, actions: th.Tensor) -> th.Tensor:
        """As indices."""
        return actions.long()

    def log_prob(self, outputs: th.Tensor, actions: th.Tensor) -> th.Tensor:
        """See `Head`."""
        self._log_p = outputs.log_softmax(1)
        self._p = self._log_p.exp()
        self._actions = actions
        return self._log_p.gather(1, actions).squeeze(1)

    def entropy(self) -> th.Tensor:
        """See `Head`."""
        return th.dot(self._p.view(-1), self._log_p.view(-1)).div_(-len(self._p))

    def backward(self, grad: th.Tensor, ent_coef: float) -> th.Tensor:
        """In the logits: of log p_a it is [a] - p, of the entropy - p (log p + entropy)."""
        p, column = self._p, grad.unsqueeze(1)
        slopes = (p * column).neg_().scatter_add_(1, self._actions, column)
        if ent_coef:
            surprise = self._log_p - (p * self._log_p).sum(1, keepdim=True)
            slopes.addcmul_(p, surprise, value=ent_coef / len(grad))
        return slopes
