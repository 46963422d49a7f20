"""PPO's update of a policy on a rollout, with gradients written out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch as th
from stable_baselines3.common.buffers import RolloutBuffer

from airl_cli.generators.actor_critic import ExplicitActorCritic

_LOG_RATIO, _RATIO, _SURROGATE, _ERROR = range(4)
"""What is kept of every sample of an epoch, for the logs."""


@dataclass(frozen=True)
class PPOSettings:
    """Hyperparameters of an update, under the names of `stable_baselines3.PPO`."""

    batch_size: int
    n_epochs: int
    clip_range: float
    clip_range_vf: float | None
    normalize_advantage: bool
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    target_kl: float | None


@dataclass(frozen=True)
class PPOStats:
    """What an update says about itself; means over minibatches.

    Attributes:
        entropy_loss: Minus the policy's entropy.
        policy_loss: Minus the clipped surrogate objective.
        value_loss: Mean squared error of the values.
        clip_fraction: Share of ratios outside the clipping range.
        approx_kl: Estimated divergence from the old policy, of the last epoch.
        last_kl: The same, of the last minibatch.
        loss: Of the last minibatch.
        epochs: How many epochs were begun.
        stopped: Whether `target_kl` ended it early.
    """

    entropy_loss: float
    policy_loss: float
    value_loss: float
    clip_fraction: float
    approx_kl: float
    last_kl: float
    loss: float
    epochs: int
    stopped: bool


class PPOUpdate:
    """One update: several epochs of minibatches over a rollout (Schulman et al. 2017).

    Every sample's place in an epoch is a row of tensors that are allocated once, so that a
    minibatch is made of views that are made once.

    Args:
        net: The policy.
        buffer: A complete rollout with advantages.
        settings: Hyperparameters.
    """

    def __init__(
        self, net: ExplicitActorCritic, buffer: RolloutBuffer, settings: PPOSettings
    ) -> None:
        self._net, self._settings = net, settings
        device = net.flat.values.device
        columns = [_column(buffer, name).to(device) for name in _COLUMNS]
        columns[1] = net.head.encode(columns[1])
        if net.features_are_fixed:
            columns[0] = net.features(columns[0])
        self._source = columns
        self._epoch = [th.empty_like(column) for column in columns]
        self._stats = th.zeros(4, len(columns[0]), device=device)
        size = settings.batch_size
        parts = zip(*(column.split(size) for column in self._epoch), strict=True)
        stats = [part.unbind(0) for part in self._stats.split(size, dim=1)]
        self._minibatches = list(zip(parts, stats, strict=True))
        self._entropies: list[th.Tensor] = []
        self._means: list[th.Tensor] = []

    def run(self) -> PPOStats:
        """Trains, and tells how it went."""
        stopped, epoch = False, 0
        while epoch < self._settings.n_epochs and not stopped:
            self._shuffle()
            done = 0
            for minibatch, stats in self._minibatches:
                done += 1
                stopped = not self._improve(minibatch, stats)
                if stopped:
                    break
            self._means.append(self._minibatch_means()[:, :done])
            epoch += 1
        return self._summary(epoch, stopped)

    def _shuffle(self) -> None:
        n = len(self._source[0])
        order = th.from_numpy(np.random.permutation(n)).to(self._stats.device)
        for source, target in zip(self._source, self._epoch, strict=True):
            th.index_select(source, 0, order, out=target)
        if self._settings.normalize_advantage:
            _standardise(self._epoch[_COLUMNS.index("advantages")], self._settings.batch_size)

    def _improve(self, minibatch: tuple[th.Tensor, ...], stats: tuple[th.Tensor, ...]) -> bool:
        """A step on a minibatch; False, and no step, where the policy has moved too far."""
        net, settings = self._net, self._settings
        obs, actions, old_values, old_log_prob, advantages, returns = minibatch
        features = obs if net.features_are_fixed else net.features(obs)
        net.head.begin()
        outputs = net.actor(features)
        values = net.critic(features).squeeze(1)
        log_prob = net.head.log_prob(outputs, actions)
        self._entropies.append(net.head.entropy())

        th.sub(log_prob, old_log_prob, out=stats[_LOG_RATIO])
        ratio = th.exp(stats[_LOG_RATIO], out=stats[_RATIO])
        plain = advantages * ratio
        low, high = 1 - settings.clip_range, 1 + settings.clip_range
        clipped = ratio.clamp(low, high).mul_(advantages)
        th.minimum(plain, clipped, out=stats[_SURROGATE])
        # Where the clipped term is the smaller one, it is constant: no gradient.
        of_log_prob = plain.mul_(plain <= clipped).mul_(-1 / len(returns))

        of_values = self._value_gradient(values, old_values, returns, stats[_ERROR])
        if settings.target_kl is not None:
            kl = (stats[_RATIO] - 1 - stats[_LOG_RATIO]).mean().item()
            if kl > 1.5 * settings.target_kl:
                return False
        net.backward(of_log_prob, of_values, settings.ent_coef)
        net.step(settings.max_grad_norm)
        return True

    def _value_gradient(
        self, values: th.Tensor, old_values: th.Tensor, returns: th.Tensor, error: th.Tensor
    ) -> th.Tensor:
        """Gradient of the weighted value loss (batch,); writes the errors into `error`."""
        clip = self._settings.clip_range_vf
        weight = 2 * self._settings.vf_coef / len(returns)
        if clip is None:
            return th.sub(values, returns, out=error) * weight
        change = values - old_values
        th.sub(old_values + change.clamp(-clip, clip), returns, out=error)
        return error * weight * (change.abs() <= clip)

    # -- what it tells -------------------------------------------------------------------------

    def _minibatch_means(self) -> th.Tensor:
        """Of the epoch's minibatches: surrogate, squared error, clipped, divergence (4, n)."""
        log_ratio, ratio, surrogate, error = self._stats
        clipped = ((ratio - 1).abs() > self._settings.clip_range).float()
        each = th.stack([surrogate, error.square(), clipped, ratio - 1 - log_ratio])
        return th.stack([p.mean(1) for p in each.split(self._settings.batch_size, 1)], 1)

    def _summary(self, epochs: int, stopped: bool) -> PPOStats:
        surrogate, error, clipped, _ = th.cat(self._means, 1).mean(1).tolist()
        entropies = th.stack(self._entropies)
        last = self._means[-1]
        settings = self._settings
        loss = -last[0, -1] - settings.ent_coef * entropies[-1] + settings.vf_coef * last[1, -1]
        return PPOStats(
            entropy_loss=-entropies.mean().item(),
            policy_loss=-surrogate,
            value_loss=error,
            clip_fraction=clipped,
            approx_kl=last[3].mean().item(),
            last_kl=last[3, -1].item(),
            loss=loss.item(),
            epochs=epochs,
            stopped=stopped,
        )


_COLUMNS = ("observations", "actions", "values", "log_probs", "advantages", "returns")


def _column(buffer: RolloutBuffer, name: str) -> th.Tensor:
    """A field of the rollout (samples, ...), in the order in which SB3 numbers its samples."""
    array = getattr(buffer, name)
    if not buffer.generator_ready:
        array = array.swapaxes(0, 1).reshape(-1, *array.shape[2:])
    elif name not in ("observations", "actions"):
        array = array.reshape(-1)
    return th.from_numpy(np.ascontiguousarray(array))


def _standardise(values: th.Tensor, size: int) -> None:
    """Mean 0 and deviation 1 of every minibatch of more than one, in place."""
    whole = len(values) // size * size
    for part in (values[:whole].view(-1, size), values[whole:].view(1, -1)):
        if part.numel() and part.shape[1] > 1:
            mean, std = part.mean(1, keepdim=True), part.std(1, keepdim=True)
            part.sub_(mean).div_(std + 1e-8)
