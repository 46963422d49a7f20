"""Distances between rewards."""

import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch as th
from gymnasium import spaces

from airl_cli.errors import InvalidValueError
from airl_cli.rewards import BasicShapedRewardNet
from airl_cli.rewards import compare as module
from airl_cli.rewards.compare import (
    CoverageSample,
    canonically_shaped,
    compare,
    mean_over_actions,
    pearson,
    pearson_distance,
)

DISCOUNT = 0.9


def sample(n: int = 300, seed: int = 0) -> CoverageSample:
    rng = np.random.default_rng(seed)
    state, action, next_state = (rng.normal(size=(n, size)) for size in (3, 2, 3))
    return CoverageSample(state, action, next_state, np.zeros(n, bool), state, action)


def true(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
    return state[:, 0] - 0.5 * np.square(action).sum(1)


def potential(state: np.ndarray) -> np.ndarray:
    return 4.0 * np.sin(2 * state[:, 1]) + 4.0 * state[:, 0] * state[:, 2]


def equivalent(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
    shaping = DISCOUNT * potential(next_state) - potential(state)
    return 3.0 * true(state, action, next_state, done) + 7.0 + shaping


def opposite(*transitions: Any) -> np.ndarray:
    return -equivalent(*transitions)


def unrelated(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
    return np.cos(50 * action[:, 0]) + np.cos(50 * next_state[:, 2])


def test_pearson_is_numpys_and_ignores_scale_and_offset() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=50)
    b = a + rng.normal(size=50)
    assert pearson(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert pearson(a, 5 * b - 3) == pytest.approx(pearson(a, b))
    assert pearson(a, -b) == pytest.approx(-pearson(a, b))
    assert pearson(a, 2 * a + 1) == pytest.approx(1)


def test_a_constant_reward_correlates_with_nothing() -> None:
    a, constant = np.arange(5.0), np.full(5, 0.1)
    assert math.isnan(pearson(a, constant))
    assert math.isnan(pearson(constant, a))
    assert math.isnan(pearson(a, constant + [0, 1e-9, 0, 0, 0]))  # rounding is no reward
    assert math.isnan(pearson_distance(a, np.zeros(5)))


def test_equivalent_rewards_are_at_distance_zero() -> None:
    """Scale, offset and shaping make no difference to EPIC; shaping does to the raw rewards."""
    found = compare(equivalent, true, sample(), discount=DISCOUNT)
    assert found.epic_distance < 1e-6
    assert found.pearson_canonical == pytest.approx(1)
    assert found.pearson < 0.9


def test_opposite_rewards_are_at_distance_one() -> None:
    found = compare(opposite, true, sample(), discount=DISCOUNT)
    assert found.epic_distance == pytest.approx(1)
    assert found.pearson_canonical == pytest.approx(-1)


def test_unrelated_rewards_are_in_the_middle() -> None:
    found = compare(unrelated, true, sample(), discount=DISCOUNT)
    assert found.epic_distance == pytest.approx(math.sqrt(0.5), abs=0.08)
    assert found.epic_distance == pytest.approx(math.sqrt((1 - found.pearson_canonical) / 2))


def test_another_discount_sees_the_shaping() -> None:
    assert compare(equivalent, true, sample(), discount=0.3).epic_distance > 0.1


def test_a_net_and_its_unshaped_base_are_equivalent() -> None:
    th.manual_seed(0)
    state, action = (spaces.Box(-5.0, 5.0, (n,), np.float32) for n in (3, 2))
    net = BasicShapedRewardNet(state, action, discount_factor=DISCOUNT)
    found = compare(net.predict, net.base.predict, sample(), discount=DISCOUNT)
    assert found.epic_distance < 1e-3  # float32
    assert found.pearson < 0.99


def test_canonical_shaping_is_the_papers_definition() -> None:
    """Against loops over all values of S, A and S', each with the same probability."""
    n_states, n_actions = 4, 3
    table = np.random.default_rng(0).normal(size=(n_states, n_actions, n_states))
    states, actions = np.arange(n_states), np.arange(n_actions)
    s, a, t = np.array(list(product(states, actions, states))).T
    everything = CoverageSample(s, a, t, np.zeros(len(s), bool), states, actions)
    all_a, all_t = np.array(list(product(actions, states))).T

    def reward(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
        return table[state, action, next_state]

    shaped = canonically_shaped(reward, everything, DISCOUNT, all_a, all_t)
    for i, (state, action, after) in enumerate(zip(s, a, t, strict=True)):
        expected = table[state, action, after] + np.mean(
            [
                DISCOUNT * table[after, x, y] - table[state, x, y] - DISCOUNT * table[z, x, y]
                for x, y, z in product(actions, states, states)
            ]
        )
        assert shaped[i] == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_equivalent_rewards_are_at_distance_zero_where_episodes_end(share: float) -> None:
    """The potential of a terminal state is zero, as in `ShapedRewardNet`."""
    some = replace(sample(), done=np.random.default_rng(1).random(300) < share)

    def shaped(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
        after = np.where(done, 0.0, 50 + potential(next_state))
        return true(state, action, None, done) + DISCOUNT * after - 50 - potential(state)

    def moved(*transition: Any) -> np.ndarray:
        return 2 * true(*transition) + 7

    assert compare(shaped, true, some, discount=DISCOUNT).epic_distance < 1e-6
    assert compare(moved, true, some, discount=DISCOUNT).epic_distance < 1e-6
    negative = compare(lambda *transition: -moved(*transition), shaped, some, discount=DISCOUNT)
    assert negative.epic_distance == pytest.approx(1)


def test_terminal_transitions_are_told_apart_by_state() -> None:
    some = replace(sample(), done=np.arange(300) % 3 == 0)

    def other(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
        return true(state, action, None, done) - 3 * np.where(done, np.sign(state[:, 1]), 0)

    assert compare(other, true, some, discount=DISCOUNT).epic_distance > 0.2


def test_the_size_of_blocks_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compare(unrelated, true, sample(40), discount=DISCOUNT, n_mean_samples=16)
    monkeypatch.setattr(module, "_MAX_ROWS", 50)  # three states of sixteen draws at once
    assert compare(unrelated, true, sample(40), discount=DISCOUNT, n_mean_samples=16) == whole


def test_the_seed_decides_the_draws() -> None:
    def entangled(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
        return true(state, action, next_state, done) + state[:, 0] * next_state[:, 2]

    def distance(seed: int) -> float:
        some = sample()
        found = compare(entangled, true, some, discount=DISCOUNT, n_mean_samples=8, seed=seed)
        return found.epic_distance

    assert distance(0) == distance(0) != distance(1)


def test_without_a_true_reward_function_only_the_plain_correlation_is_known() -> None:
    some = sample()
    rewards = true(some.state, some.action, None, None)
    found = compare(equivalent, None, replace(some, rewards=rewards), discount=DISCOUNT)
    assert found.pearson == compare(equivalent, true, some, discount=DISCOUNT).pearson
    assert math.isnan(found.epic_distance)
    assert math.isnan(found.pearson_canonical)


def test_nothing_to_compare_with_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="not known"):
        compare(equivalent, None, sample(), discount=DISCOUNT)


def test_a_reward_that_is_not_finite_is_refused() -> None:
    def broken(state: Any, *rest: Any) -> np.ndarray:
        return np.log(state[:, 0])

    with np.errstate(invalid="ignore"), pytest.raises(InvalidValueError, match="NaN or infinite"):
        compare(broken, true, sample(), discount=DISCOUNT)


def test_the_mean_over_actions_stays_in_the_state() -> None:
    states, actions = np.array([[1.0], [2.0]]), np.array([[0.0], [10.0]])

    def reward(state: Any, action: Any, next_state: Any, done: Any) -> np.ndarray:
        assert not done.any()
        return 100 * state[:, 0] + action[:, 0] + 1000 * (next_state - state)[:, 0]

    assert mean_over_actions(reward, states, actions).tolist() == [105, 205]
