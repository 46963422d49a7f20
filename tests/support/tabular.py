"""Exact AIRL on small Markov decision processes: linear solves instead of samples.

Everything that AIRL estimates (occupancies, the discriminator's loss, the generator's improvement)
is computed here for all states and actions at once, so that what a test finds is a property of the
method and not of a run. Loss and nets are the package's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch as th
import torch.nn.functional as F
from gymnasium import spaces

from airl_cli.rewards import RewardNet, ShapedRewardNet, unwrapped


@dataclass(frozen=True)
class TabularMDP:
    """Deterministic dynamics and a reward of the state alone.

    Attributes:
        successors: The state that follows (n_states, n_actions), integers.
        reward: r(s) (n_states,).
        discount: In (0, 1).

    Episodes start in every state with the same probability.
    """

    successors: np.ndarray
    reward: np.ndarray
    discount: float = 0.9

    @property
    def n_states(self) -> int:
        return self.successors.shape[0]

    @property
    def n_actions(self) -> int:
        return self.successors.shape[1]

    def state_action_reward(self) -> np.ndarray:
        """R(s) for every action (n_states, n_actions)."""
        return np.repeat(self.reward[:, None], self.n_actions, axis=1)

    def kernel(self, policy: np.ndarray) -> np.ndarray:
        """P(s'|s) (n_states, n_states) under a policy (n_states, n_actions)."""
        matrix = np.zeros((self.n_states, self.n_states))
        np.add.at(matrix, (np.arange(self.n_states)[:, None], self.successors), policy)
        return matrix

    def occupancy(self, policy: np.ndarray) -> np.ndarray:
        """Discounted, normalised occupancy of (s, a) (n_states, n_actions).

        It is that of (s, a, s') too: s' follows from (s, a).
        """
        start = np.full(self.n_states, (1 - self.discount) / self.n_states)
        flow = np.eye(self.n_states) - self.discount * self.kernel(policy).T
        return np.linalg.solve(flow, start)[:, None] * policy

    def value(self, policy: np.ndarray, rewards: np.ndarray) -> np.ndarray:
        """Discounted value (n_states,) of a policy for rewards (n_states, n_actions)."""
        flow = np.eye(self.n_states) - self.discount * self.kernel(policy)
        return np.linalg.solve(flow, (policy * rewards).sum(axis=1))

    def action_values(self, rewards: np.ndarray, value: np.ndarray) -> np.ndarray:
        """R(s, a) + discount V(s') (n_states, n_actions)."""
        return rewards + self.discount * value[self.successors]


def soft_improvement(mdp: TabularMDP, rewards: np.ndarray, log_policy: np.ndarray) -> np.ndarray:
    """One step of soft policy iteration on `sum_t R - log pi` (Haarnoja et al. 2018, section 4.1).

    Args:
        mdp: The dynamics.
        rewards: (n_states, n_actions).
        log_policy: Log-probabilities (n_states, n_actions) of the policy to improve on.

    Returns:
        Log-probabilities of the better policy, `softmax` of the old one's exact soft values.
    """
    value = mdp.value(np.exp(log_policy), rewards - log_policy)
    return log_softmax(mdp.action_values(rewards, value))


def soft_optimal(mdp: TabularMDP, rewards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maximum-entropy optimal policy at temperature 1.

    Returns:
        Log-probabilities (n_states, n_actions), and the soft value V (n_states,), with
        `log pi(a|s) = R(s, a) + discount V(s') - V(s)`.
    """
    log_policy = uniform_log_policy(mdp)
    for _ in range(1000):
        better = soft_improvement(mdp, rewards, log_policy)
        if np.abs(better - log_policy).max() < 1e-12:
            break
        log_policy = better
    else:
        raise AssertionError("soft policy iteration does not converge")
    return better, mdp.value(np.exp(better), rewards - better)


def optimal_policy(mdp: TabularMDP, rewards: np.ndarray) -> np.ndarray:
    """A deterministic optimal policy (n_states, n_actions), by policy iteration (no entropy)."""
    policy = np.eye(mdp.n_actions)[rewards.argmax(axis=1)]
    for _ in range(1000):
        q = mdp.action_values(rewards, mdp.value(policy, rewards))
        # Only what is better by more than rounding: ties must not make it go round in circles.
        gain = q.max(axis=1) - (policy * q).sum(axis=1)
        if gain.max() < 1e-9:
            return policy
        policy = np.where(gain[:, None] < 1e-9, policy, np.eye(mdp.n_actions)[q.argmax(axis=1)])
    raise AssertionError("policy iteration does not converge")


def share_of_optimum(mdp: TabularMDP, rewards: np.ndarray) -> float:
    """How good the policy that is optimal for `rewards` is by the true reward.

    Returns:
        Its mean value over the starting states: 1 for the best there is, 0 for random actions.
    """
    true = mdp.state_action_reward()
    uniform = np.exp(uniform_log_policy(mdp))
    found, best, random = (
        mdp.value(policy, true).mean()
        for policy in (optimal_policy(mdp, rewards), optimal_policy(mdp, true), uniform)
    )
    return float((found - random) / (best - random))


def uniform_log_policy(mdp: TabularMDP) -> np.ndarray:
    """Log-probabilities of random actions (n_states, n_actions)."""
    return np.full((mdp.n_states, mdp.n_actions), -np.log(mdp.n_actions))


def log_softmax(values: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def is_decomposable(successors: np.ndarray) -> bool:
    """Whether all states are linked (Fu, Luo & Levine 2018, definition B.1).

    Two states are 1-step linked if one state can reach both in one step; linked is the transitive
    closure of that.
    """
    component = np.arange(len(successors))
    for row in successors:
        joined = np.isin(component, component[row])
        component[joined] = component[row].min()
    return len(set(component)) == 1


def random_mdp(
    seed: int, n_states: int = 10, n_actions: int = 3, discount: float = 0.9
) -> TabularMDP:
    """A random one with decomposable dynamics and rewards in [-1, 1]."""
    rng = np.random.default_rng(seed)
    reward = rng.uniform(-1.0, 1.0, n_states)
    return TabularMDP(_decomposable(rng, n_states, n_actions), reward, discount)


def with_new_dynamics(mdp: TabularMDP, seed: int) -> TabularMDP:
    """The same reward under other random, decomposable dynamics."""
    rng = np.random.default_rng([seed, 1])
    return replace(mdp, successors=_decomposable(rng, mdp.n_states, mdp.n_actions))


def alternating_mdp(seed: int, n_states: int = 10, n_actions: int = 3) -> TabularMDP:
    """One whose even and odd states take turns: not decomposable, and no two parts are linked."""
    rng = np.random.default_rng(seed)
    reward = rng.uniform(-1.0, 1.0, n_states)
    other_half = 2 * rng.integers(0, n_states // 2, (n_states, n_actions))
    return TabularMDP(other_half + 1 - np.arange(n_states)[:, None] % 2, reward)


def _decomposable(rng: np.random.Generator, n_states: int, n_actions: int) -> np.ndarray:
    while True:
        successors = rng.integers(0, n_states, (n_states, n_actions))
        if is_decomposable(successors):
            return successors


@dataclass(frozen=True)
class Recovered:
    """What exact AIRL found.

    Attributes:
        reward: g(s, a), from the unshaped base net (n_states, n_actions).
        potential: h(s) (n_states,); zeros where the net has none.
        shaped: f(s, a, s') (n_states, n_actions).
        log_policy: The generator's (n_states, n_actions).
    """

    reward: np.ndarray
    potential: np.ndarray
    shaped: np.ndarray
    log_policy: np.ndarray


def exact_airl(
    mdp: TabularMDP,
    make_net: Callable[[spaces.Discrete, spaces.Discrete], RewardNet],
    *,
    rounds: int = 500,
    learning_rate: float = 0.1,
    seed: int = 0,
) -> Recovered:
    """AIRL (Fu, Luo & Levine 2018, algorithm 1) in which every expectation is exact.

    The expert is the maximum-entropy optimal policy of the true reward. A round is one optimiser
    step on the discriminator's cross-entropy, all (s, a, s') weighted with their occupancies, and
    one exact step of soft policy improvement on `f`.

    Args:
        mdp: Of the expert and of the generator.
        make_net: Makes f from observation and action space.
        rounds: How many.
        learning_rate: Adam's at the start; it falls to zero as a cosine.
        seed: Of the net's first weights.
    """
    th.manual_seed(seed)
    net = make_net(spaces.Discrete(mdp.n_states), spaces.Discrete(mdp.n_actions))
    states, actions = (
        index.ravel() for index in np.indices((mdp.n_states, mdp.n_actions), dtype=np.int64)
    )
    batch = net.preprocess(
        states, actions, mdp.successors.ravel(), np.zeros(states.shape, np.float32)
    )
    expert_log_policy, _ = soft_optimal(mdp, mdp.state_action_reward())
    expert = _tensor(mdp.occupancy(np.exp(expert_log_policy)))
    optimiser = th.optim.Adam(net.parameters(), lr=learning_rate)
    schedule = th.optim.lr_scheduler.CosineAnnealingLR(optimiser, rounds)
    log_policy = uniform_log_policy(mdp)
    for _ in range(rounds):
        optimiser.zero_grad()
        logits = net(*batch) - _tensor(log_policy)  # of D = exp f / (exp f + pi)
        generated = _tensor(mdp.occupancy(np.exp(log_policy)))
        discriminator_loss(logits, expert, generated).backward()
        optimiser.step()
        schedule.step()
        log_policy = soft_improvement(mdp, _table(net(*batch), mdp), log_policy)
    potential = np.zeros(mdp.n_states)
    if isinstance(net, ShapedRewardNet):
        potential = net.potential(th.eye(mdp.n_states)).detach().numpy().astype(np.float64)
    reward = _table(unwrapped(net)(*batch), mdp)
    return Recovered(reward, potential, _table(net(*batch), mdp), log_policy)


def discriminator_loss(logits: th.Tensor, expert: th.Tensor, generated: th.Tensor) -> th.Tensor:
    """Binary cross-entropy of telling expert (1) from generator (0), as an exact expectation.

    Args:
        logits: That (s, a, s') is the expert's (n,).
        expert: The expert's occupancy of each (n,), which sums to 1.
        generated: The generator's.
    """
    return (
        F.binary_cross_entropy_with_logits(
            th.cat([logits, logits]),
            th.cat([th.ones_like(logits), th.zeros_like(logits)]),
            weight=th.cat([expert, generated]),
            reduction="sum",
        )
        / 2
    )


def _tensor(table: np.ndarray) -> th.Tensor:
    return th.as_tensor(table.ravel(), dtype=th.float32)


def _table(values: th.Tensor, mdp: TabularMDP) -> np.ndarray:
    return values.detach().numpy().astype(np.float64).reshape(mdp.n_states, mdp.n_actions)
