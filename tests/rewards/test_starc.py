"""STARC distances."""

from typing import Any

import numpy as np
import pytest

from airl_cli.rewards.starc import starc_distance

GAMMA = 0.97


@pytest.fixture(scope="module")
def transitions() -> dict[str, Any]:
    """A point in the plane that is pushed; some transitions are terminal."""
    rng = np.random.default_rng(0)
    state = rng.uniform(-1, 1, (3000, 2))
    action = rng.uniform(-0.5, 0.5, (3000, 2))
    return {
        "state": state,
        "action": action,
        "next_state": np.clip(state + action, -1, 1),
        "done": rng.random(3000) < 0.05,
    }


def distance(first: np.ndarray, second: np.ndarray, data: dict[str, Any]) -> float:
    keys = ("state", "next_state", "done")
    return starc_distance(first, second, *(data[key] for key in keys), discount=GAMMA)


def reward(data: dict[str, Any]) -> np.ndarray:
    return data["action"][:, 0] - (data["action"] ** 2).sum(1) * data["state"][:, 1]


def shaping(data: dict[str, Any], potential: Any) -> np.ndarray:
    after = np.where(data["done"], 0.0, potential(data["next_state"]))
    return GAMMA * after - potential(data["state"])


def test_scale_and_constant_make_no_difference(transitions: dict[str, Any]) -> None:
    r = reward(transitions)
    assert distance(r, 7.0 * r - 30.0, transitions) < 1e-3
    assert distance(r, r, transitions) == 0


@pytest.mark.parametrize(
    "potential",
    [
        lambda s: 5.0 * s[:, 0] - 3.0,
        lambda s: 4.0 * np.sin(2 * s[:, 0]) * s[:, 1],
        lambda s: -2.0 * np.linalg.norm(s, axis=1),
    ],
    ids=["linear", "smooth", "kink"],
)
def test_shaping_makes_no_difference(transitions: dict[str, Any], potential: Any) -> None:
    """At terminal transitions, too, where the potential of what follows is 0."""
    r = reward(transitions)
    extra = shaping(transitions, potential)
    assert extra.std() > r.std()
    assert distance(r, r + extra, transitions) < 0.15


def test_opposite_and_unrelated_rewards_are_far_apart(transitions: dict[str, Any]) -> None:
    r = reward(transitions)
    assert distance(r, -2.0 * r + 1.0, transitions) > 0.95
    noise = np.random.default_rng(1).normal(size=len(r))
    assert distance(r, noise, transitions) == pytest.approx(np.sqrt(0.5), abs=0.03)


def test_a_reward_that_prefers_no_policy_is_in_the_middle(transitions: dict[str, Any]) -> None:
    r = reward(transitions)
    nothing = shaping(transitions, lambda s: 3.0 * s[:, 0])
    assert distance(r, nothing, transitions) == pytest.approx(0.5, abs=1e-3)
    assert distance(r, np.zeros(len(r)), transitions) == pytest.approx(0.5)


def test_rewards_of_states_alone_are_told_apart_by_where_actions_lead(
    transitions: dict[str, Any],
) -> None:
    after = transitions["next_state"]
    left, right = -after[:, 0], after[:, 0]
    assert distance(right, left, transitions) > 0.9
    assert distance(right, np.tanh(right), transitions) < 0.3


def test_images_and_constant_dimensions_have_distances(transitions: dict[str, Any]) -> None:
    r = reward(transitions)[:200]
    images = np.random.default_rng(0).integers(0, 255, (2, 200, 4, 4, 1)).astype(np.uint8)
    images[:, :, 0] = 7
    found = starc_distance(r, r + 1, *images, np.zeros(200, bool), discount=GAMMA)
    assert 0 <= found < 0.1
