"""How far a learned reward is from the true one, on a declared distribution of transitions.

Rewards are determined up to a positive factor, a constant and potential shaping at best. Pearson's
correlation ignores the first two, the EPIC distance (Gleave et al. 2021, arXiv 2006.13900) all
three, at terminal transitions too. Both depend on the distribution of transitions: distances on
different ones do not compare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from airl_cli.errors import InvalidValueError
from airl_cli.rewards.starc import starc_distance

RewardFunction = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From states, actions, next states and terminal flags (n, ...) to rewards (n,)."""

_MAX_ROWS = 2**16  # transitions evaluated at once: bounds the memory


@dataclass(frozen=True)
class CoverageSample:
    """Transitions that rewards are compared on, and what canonicalisation draws from.

    Attributes:
        state: (n, *observation shape).
        action: (n, *action shape).
        next_state: As `state`.
        done: Terminal flags (n,).
        states: Sample of the distribution of single states (m, *observation shape).
        actions: Sample of the distribution of single actions (k, *action shape).
        rewards: The true rewards that the environment gave (n,); None where it was not asked.
        description: Of the distribution, for JSON.
    """

    state: np.ndarray
    action: np.ndarray
    next_state: np.ndarray
    done: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray | None = None
    description: Mapping[str, Any] = field(default_factory=dict)

    def rewards_by(self, reward: RewardFunction) -> np.ndarray:
        """`reward` (n,) float64 of the transitions.

        Raises:
            InvalidValueError: If one is NaN or infinite.
        """
        return _finite_rewards(reward, self.state, self.action, self.next_state, self.done)


@dataclass(frozen=True)
class Comparison:
    """A learned reward against the true one; NaN is what cannot be known.

    Attributes:
        pearson: Pearson's correlation of the rewards as they are.
        pearson_canonical: Of the canonically shaped rewards: potential shaping makes no difference.
        epic_distance: `sqrt((1 - pearson_canonical) / 2)`: 0 for equivalent rewards, 0.71 for
            unrelated ones, 1 for opposite ones.
        starc_distance: Of `airl_cli.rewards.starc`, on the same scale; it needs no rewards but
            those of the sampled transitions.
    """

    pearson: float
    pearson_canonical: float = math.nan
    epic_distance: float = math.nan
    starc_distance: float = math.nan


def compare(
    learned: RewardFunction,
    true: RewardFunction | None,
    sample: CoverageSample,
    *,
    discount: float,
    n_mean_samples: int = 256,
    seed: int = 0,
) -> Comparison:
    """All distances between two rewards.

    Args:
        learned: A reward net's `predict`, for example.
        true: None where the environment does not offer its reward as a function: only Pearson's
            correlation with `sample.rewards` is known then, because canonical shaping needs
            R(s, a, s') for s' that do not follow from s and a.
        sample: What to compare on.
        discount: In [0, 1]; of the shaping that makes no difference.
        n_mean_samples: Samples per expectation of canonical shaping.
        seed: Of these samples; both rewards get the same ones.

    Raises:
        InvalidValueError: If a reward is not finite, or neither the true reward nor its values
            are known.
    """
    if true is None:
        if sample.rewards is None:
            raise InvalidValueError(
                "the true reward of these transitions is not known.",
                "Compare on transitions that carry rewards: coverage=mixture, with "
                "coverage.demonstrations=0 where the demonstrations have none.",
            )
        rewards = sample.rewards_by(learned), sample.rewards
        return Comparison(
            pearson(*rewards), starc_distance=_starc(*rewards, sample, discount, seed)
        )
    rng = np.random.default_rng(seed)
    draws = (
        sample.actions[rng.integers(len(sample.actions), size=n_mean_samples)],
        sample.states[rng.integers(len(sample.states), size=n_mean_samples)],
    )
    canonical = [canonically_shaped(reward, sample, discount, *draws) for reward in (learned, true)]
    rewards = sample.rewards_by(learned), sample.rewards_by(true)
    return Comparison(
        pearson(*rewards),
        pearson(*canonical),
        pearson_distance(*canonical),
        _starc(*rewards, sample, discount, seed),
    )


def _starc(
    learned: np.ndarray, true: np.ndarray, sample: CoverageSample, discount: float, seed: int
) -> float:
    transitions = sample.state, sample.next_state, sample.done
    return starc_distance(learned, true, *transitions, discount=discount, seed=seed)


def canonically_shaped(
    reward: RewardFunction,
    sample: CoverageSample,
    discount: float,
    actions: np.ndarray,
    next_states: np.ndarray,
) -> np.ndarray:
    """`R(s, a, s') + E[g R(s', A, S') - R(s, A, S') - g R(S, A, S')]` of a sample's transitions.

    Gleave et al. 2021, definition 4.1, with g the discount and the expectations as means over the
    same samples of A and S' throughout: shaping then cancels exactly, not only in the limit.

    After a terminal s' the MDP stays in an absorbing state, of which R tells nothing. In place of
    `g E[R(s', A, S')]` stands there `(1 + g) E[R(S, A, S')] - E[R(S, A, S', terminal)]`: the one
    linear combination of mean rewards by which potential shaping (with potential 0 in terminal
    states: g E[h] of it) and a constant c (g c of it) cancel as they do elsewhere. What every
    terminal transition gets alike therefore makes no difference either.

    Args:
        reward: R.
        sample: The transitions (n).
        discount: g.
        actions: Samples of A (m, *action shape).
        next_states: Samples of S' (m, *observation shape), and of S.

    Returns:
        Rewards (n,) float64.
    """
    draws = actions, next_states
    overall = _mean_rewards(reward, next_states, *draws).mean()
    after = discount * _mean_rewards(reward, sample.next_state, *draws)
    if sample.done.any():
        at_ends = _mean_rewards(reward, next_states, *draws, terminal=True).mean()
        after = np.where(sample.done, (1 + discount) * overall - at_ends, after)
    before = _mean_rewards(reward, sample.state, *draws)
    return sample.rewards_by(reward) + after - before - discount * overall


def _mean_rewards(
    reward: RewardFunction,
    states: np.ndarray,
    actions: np.ndarray,
    next_states: np.ndarray,
    terminal: bool = False,
) -> np.ndarray:
    """E[R(s, A, S')] (n,) of every state (n, ...), over paired samples of A and S' (m, ...)."""
    means = []
    for part in _blocks(states, len(actions)):
        after = np.concatenate([next_states] * len(part))
        means.append(_mean_over(reward, part, actions, after, terminal))
    return np.concatenate(means)


def mean_over_actions(
    reward: RewardFunction, states: np.ndarray, actions: np.ndarray
) -> np.ndarray:
    """E[R(s, A, s)] (n,) of every state (n, ...), over samples of A (m, ...).

    Raises:
        InvalidValueError: If a reward is NaN or infinite.
    """
    means = []
    for part in _blocks(states, len(actions)):
        stays = np.repeat(part, len(actions), axis=0)
        means.append(_mean_over(reward, part, actions, stays, False))
    return np.concatenate(means)


def _blocks(states: np.ndarray, m: int) -> Iterator[np.ndarray]:
    size = max(1, _MAX_ROWS // m)
    for start in range(0, len(states), size):
        yield states[start : start + size]


def _mean_over(
    reward: RewardFunction,
    states: np.ndarray,
    actions: np.ndarray,
    next_states: np.ndarray,
    terminal: bool,
) -> np.ndarray:
    """Mean rewards (n,) of states (n, ...) over actions (m, ...); `next_states` (n m, ...)."""
    n, m = len(states), len(actions)
    repeated = np.repeat(states, m, axis=0), np.concatenate([actions] * n)
    dones = np.full(n * m, terminal)
    return _finite_rewards(reward, *repeated, next_states, dones).reshape(n, m).mean(1)


def _finite_rewards(reward: RewardFunction, *transitions: np.ndarray) -> np.ndarray:
    rewards = np.asarray(reward(*transitions), dtype=np.float64)
    if not np.isfinite(rewards).all():
        raise InvalidValueError(
            "a reward is NaN or infinite on the coverage distribution.",
            "Compare on states that the reward was trained on: coverage=mixture.",
        )
    return rewards


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two samples (n,); NaN if one of them is constant."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    if _is_constant(a) or _is_constant(b):
        return math.nan
    a, b = a - a.mean(), b - b.mean()
    correlation = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    return min(max(correlation, -1.0), 1.0)


def pearson_distance(a: np.ndarray, b: np.ndarray) -> float:
    """`sqrt((1 - pearson) / 2)`, in [0, 1]; NaN if a sample is constant."""
    return math.sqrt((1 - pearson(a, b)) / 2)


def _is_constant(values: np.ndarray) -> bool:
    """Up to the rounding of float32, in which nets compute."""
    return bool(np.ptp(values) <= 1e-6 * np.abs(values).max(initial=0.0))
