"""The paper's theory of disentangled rewards, checked where everything can be computed exactly.

Statements are those of Fu, Luo & Levine 2018 (arXiv 1710.11248): theorems 5.1 and 5.2 of the main
text, and the appendix on decomposable dynamics and on AIRL recovering rewards up to constants.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import product

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from torch import nn

from airl_cli.rewards import BasicRewardNet, BasicShapedRewardNet
from support.tabular import (
    Recovered,
    TabularMDP,
    alternating_mdp,
    exact_airl,
    is_decomposable,
    optimal_policy,
    random_mdp,
    share_of_optimum,
    soft_improvement,
    soft_optimal,
    uniform_log_policy,
    with_new_dynamics,
)

SEEDS = range(4)
NEW_DYNAMICS = range(5)

shaped = partial(BasicShapedRewardNet, potential_hid_sizes=(), discount_factor=0.9)
STATE_ONLY = partial(shaped, use_action=False, reward_hid_sizes=())
# A hidden layer, because a linear map of s and a could not tell what an action is worth where.
STATE_ACTION = partial(BasicRewardNet, use_action=True, hid_sizes=(64,))
STATE_ACTION_SHAPED = partial(shaped, use_action=True, reward_hid_sizes=(64,))


@cache
def recovered(net: partial, seed: int) -> Recovered:
    slow = {} if net is STATE_ONLY else {"rounds": 400, "learning_rate": 0.02}
    return exact_airl(random_mdp(seed), net, seed=seed, **slow)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def shares_under_new_dynamics(net: partial) -> list[float]:
    return [
        share_of_optimum(with_new_dynamics(random_mdp(seed), new), recovered(net, seed).reward)
        for seed, new in product(SEEDS, NEW_DYNAMICS)
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_state_only_reward_is_the_true_one_up_to_a_constant(seed: int) -> None:
    """Deterministic, decomposable dynamics and a true r(s): g(s) = r(s) + constant."""
    mdp, found = random_mdp(seed), recovered(STATE_ONLY, seed)
    difference = found.reward[:, 0] - mdp.reward
    assert correlation(found.reward, mdp.state_action_reward()) >= 0.99
    assert np.ptp(difference) < 0.01 * np.ptp(mdp.reward)  # not merely correlated: scale 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_potential_is_the_soft_value_up_to_a_constant(seed: int) -> None:
    """The same theorem: h(s) = V(s) + constant, V being the expert's soft value function."""
    mdp, found = random_mdp(seed), recovered(STATE_ONLY, seed)
    _, value = soft_optimal(mdp, mdp.state_action_reward())
    assert correlation(found.potential, value) >= 0.99
    assert np.ptp(found.potential - value) < 0.01 * np.ptp(value)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("net", [STATE_ONLY, STATE_ACTION, STATE_ACTION_SHAPED])
def test_the_discriminator_ends_as_the_experts_advantage(net: partial, seed: int) -> None:
    """Appendix A: at the optimum f(s, a, s') = log pi_E(a|s) = A(s, a), and pi = pi_E.

    That holds whatever g may look at, so all of them imitate; what differs is what g is.
    """
    mdp, found = random_mdp(seed), recovered(net, seed)
    log_expert, _ = soft_optimal(mdp, mdp.state_action_reward())
    assert np.abs(found.shaped - log_expert).max() < 0.02
    assert np.abs(np.exp(found.log_policy) - np.exp(log_expert)).max() < 0.005
    assert share_of_optimum(mdp, found.reward) >= 0.99


def test_a_state_only_reward_survives_new_dynamics() -> None:
    """Theorem 5.1: a state-only reward that is optimal in decomposable dynamics is disentangled.

    The policy that is optimal for g is worth within 1 % of the best under any other dynamics.
    """
    assert min(shares_under_new_dynamics(STATE_ONLY)) >= 0.99


@pytest.mark.parametrize("seed", SEEDS)
def test_a_state_action_reward_is_the_advantage_and_not_the_reward(seed: int) -> None:
    """Section 5: without the restriction, AIRL recovers A(s, a) = Q(s, a) - V(s)."""
    mdp, found = random_mdp(seed), recovered(STATE_ACTION, seed)
    advantage, _ = soft_optimal(mdp, mdp.state_action_reward())  # at temperature 1, log pi_E
    assert correlation(found.reward, advantage) >= 0.99
    assert correlation(found.reward, mdp.state_action_reward()) < 0.5


def test_a_state_action_reward_does_not_survive_new_dynamics() -> None:
    """Theorem 5.2: what is disentangled for all dynamics must be state-only.

    The advantage keeps the actions that were right before: no better than random ones after.
    """
    assert np.mean(shares_under_new_dynamics(STATE_ACTION)) < 0.3


def test_shaping_alone_does_not_save_a_state_action_reward() -> None:
    """Theorem 5.2 again: g(s, a) can take up any part of the shaping, so h gives no guarantee.

    How much it takes up depends on the first weights; some runs transfer, many do not.
    """
    shares = shares_under_new_dynamics(STATE_ACTION_SHAPED)
    assert np.mean(shares) < 0.9
    assert min(shares) < 0.5


def _biased(observation_space: spaces.Discrete, action_space: spaces.Discrete) -> nn.Module:
    """The state-only net, its potential started 5 higher in even states than in odd ones."""
    net = STATE_ONLY(observation_space, action_space)
    (linear,) = (layer for layer in net.potential.modules() if isinstance(layer, nn.Linear))
    with th.no_grad():
        linear.weight[:, ::2] += 5.0
    return net


def test_decomposable_dynamics_correct_a_wrong_start() -> None:
    """All states are linked, so every difference between potentials shows in f."""
    mdp = random_mdp(0)
    found = exact_airl(mdp, _biased, rounds=700)
    assert correlation(found.reward, mdp.state_action_reward()) >= 0.99
    assert share_of_optimum(with_new_dynamics(mdp, 0), found.reward) >= 0.99


def test_without_decomposable_dynamics_the_reward_is_not_determined() -> None:
    """The condition of theorem 5.1 is needed.

    Where two halves of the states take turns, nothing compares a state of the one with a state of
    the other, and a wrong start stays.
    """
    mdp = alternating_mdp(0)
    found = exact_airl(mdp, _biased, rounds=700)
    log_expert, _ = soft_optimal(mdp, mdp.state_action_reward())
    assert np.abs(found.shaped - log_expert).max() < 0.02  # f is right all the same
    assert correlation(found.reward, mdp.state_action_reward()) < 0.5
    for half in (slice(0, None, 2), slice(1, None, 2)):  # and g is, within each half
        assert correlation(found.reward[half, 0], mdp.reward[half]) >= 0.99


@pytest.mark.parametrize("seed", SEEDS)
def test_random_dynamics_are_decomposable_and_new_ones_are_others(seed: int) -> None:
    mdp = random_mdp(seed)
    new = with_new_dynamics(mdp, seed)
    assert is_decomposable(mdp.successors)
    assert is_decomposable(new.successors)
    assert (mdp.successors != new.successors).mean() > 0.5
    assert not is_decomposable(alternating_mdp(seed).successors)


def test_occupancies_are_those_of_a_long_rollout() -> None:
    """The linear solve against the sum over time that it stands for."""
    mdp = random_mdp(1)
    policy = np.random.default_rng(0).dirichlet(np.ones(mdp.n_actions), mdp.n_states)
    distribution = np.full(mdp.n_states, 1 / mdp.n_states)
    visits = np.zeros(mdp.n_states)
    for t in range(400):
        visits += (1 - mdp.discount) * mdp.discount**t * distribution
        distribution = distribution @ mdp.kernel(policy)
    np.testing.assert_allclose(mdp.occupancy(policy), visits[:, None] * policy, atol=1e-12)


def test_the_expert_is_optimal_with_entropy() -> None:
    """Its log-probabilities are its advantages, and no step improves on it."""
    mdp = random_mdp(2)
    rewards = mdp.state_action_reward()
    log_policy, value = soft_optimal(mdp, rewards)
    bellman = mdp.action_values(rewards, value) - value[:, None]
    np.testing.assert_allclose(log_policy, bellman, atol=1e-9)
    np.testing.assert_allclose(soft_improvement(mdp, rewards, log_policy), log_policy, atol=1e-9)
    worse = uniform_log_policy(mdp)
    assert (value > mdp.value(np.exp(worse), rewards - worse)).all()


def test_the_optimal_policy_beats_every_other_deterministic_one() -> None:
    """Against the enumeration of all of them."""
    successors = np.array([[0, 1], [2, 0], [1, 2]])
    mdp = TabularMDP(successors, np.array([0.1, -1.0, 1.0]))
    true = mdp.state_action_reward()
    best = mdp.value(optimal_policy(mdp, true), true)
    for choice in product(range(2), repeat=3):
        other = np.eye(2)[list(choice)]
        assert (best >= mdp.value(other, true) - 1e-9).all()
    assert share_of_optimum(mdp, true) == 1.0
    assert share_of_optimum(mdp, -true) < 0.0
