"""Scores of policies on the true reward."""

import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import (
    Evaluation,
    confidence_interval,
    evaluate,
    evaluate_policy_returns,
    normalized_score,
    random_baseline,
    sample_episodes,
)


class Coin(gymnasium.Env):
    """Ends at once after action 0 and after 20 steps otherwise; each step pays 1."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict]:
        super().reset(**kwargs)
        self.left = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        if self.left == 0:
            self.left = 20 if self.np_random.random() < 0.5 else 1
        self.left -= 1
        return np.zeros(1, np.float32), 1.0, self.left == 0, False, {}


class Match(gymnasium.Env):
    """Pays 1 for the action that equals the observation (0 or 1); ten steps."""

    observation_space = gymnasium.spaces.Discrete(2)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, **kwargs: Any) -> tuple[int, dict]:
        super().reset(**kwargs)
        self.steps, self.state = 0, int(self.np_random.integers(2))
        return self.state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict]:
        self.steps += 1
        reward, self.state = float(action == self.state), int(self.np_random.integers(2))
        return self.state, reward, False, self.steps >= 10, {}


def registered(env: type[gymnasium.Env]) -> str:
    env_id = f"{env.__name__}Eval-v0"
    if env_id not in gymnasium.registry:
        gymnasium.register(env_id, env, disable_env_checker=True)
    return env_id


@pytest.fixture
def env() -> EnvSpec:
    return EnvSpec(registered(Match), n_envs=4)


@pytest.fixture
def coin() -> EnvSpec:
    return EnvSpec(registered(Coin), n_envs=4)


def perfect(obs: np.ndarray, state: Any, dones: Any) -> tuple[np.ndarray, Any]:
    return obs, state


def guessing(obs: np.ndarray, state: Any, dones: Any) -> tuple[np.ndarray, Any]:
    return torch.randint(2, (len(obs),)).numpy(), state


@pytest.mark.parametrize("n_episodes", [1, 3, 4, 7])
def test_exactly_the_asked_number_of_whole_episodes(env: EnvSpec, n_episodes: int) -> None:
    returns = evaluate_policy_returns(perfect, env, n_episodes, seed=0)
    assert returns.tolist() == [10.0] * n_episodes


def test_episodes_repeat_with_their_seed_and_move_no_stream(env: EnvSpec) -> None:
    torch.manual_seed(1)
    expected = torch.rand(())
    torch.manual_seed(1)
    first, again, other = (evaluate_policy_returns(guessing, env, 20, s) for s in (0, 0, 1))
    assert torch.equal(torch.rand(()), expected)
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_short_episodes_are_not_favoured(coin: EnvSpec) -> None:
    # Half of the episodes take 1 step, half take 20: the mean length is 10.5. Stopping at the
    # first 8 finished ones would mostly see short ones.
    lengths = [len(e) for seed in range(60) for e in sample_episodes(None, coin, 8, seed)]
    assert len(lengths) == 480
    assert abs(np.mean(lengths) - 10.5) < 1.5


def test_no_episodes_are_refused(env: EnvSpec) -> None:
    with pytest.raises(InvalidValueError, match="n_episodes=0"):
        sample_episodes(None, env, 0, 0)


def test_the_environment_is_closed_even_on_failure(env: EnvSpec) -> None:
    closed = []

    class Spy:
        id, n_envs = env.id, 1

        def make(self, seed: int, n_envs: int | None = None) -> Any:
            venv = env.make(seed, n_envs)
            close: Callable[[], None] = venv.close
            venv.close = lambda: (closed.append(True), close())  # type: ignore[method-assign]
            return venv

    def failing(obs: Any, state: Any, dones: Any) -> Any:
        raise RuntimeError("policy")

    with pytest.raises(RuntimeError, match="policy"):
        sample_episodes(failing, Spy(), 1, 0)
    assert closed == [True]


def test_the_random_baseline_knows_returns_lengths_and_an_episode(env: EnvSpec) -> None:
    baseline = random_baseline(env, 200, seed=0)
    assert baseline.lengths.tolist() == [10] * 200
    assert abs(baseline.returns.mean() - 5) < 0.5
    assert len(baseline.episode) == 10


def test_normalised_score() -> None:
    assert normalized_score(75, 50, 100) == 0.5
    assert normalized_score(-300, -1200, -300) == 1
    assert math.isnan(normalized_score(1, 2, 2))


def test_the_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(150):
        low, high = confidence_interval(rng.normal(3, 2, 50))
        hits += low <= 3 <= high
    assert 0.88 <= hits / 150 <= 0.99


def test_the_interval_of_few_or_equal_values() -> None:
    assert all(math.isnan(x) for x in confidence_interval([1.0]))
    assert confidence_interval([2.0, 2.0, 2.0]) == (2.0, 2.0)
    assert confidence_interval([1.0, 5.0, 9.0]) == confidence_interval([1.0, 5.0, 9.0])


def test_the_result_has_the_flat_schema() -> None:
    evaluation = Evaluation("x-v0", 7, np.array([4.0, 8.0]), np.array([10.0]), np.array([2.0]))
    result = evaluation.result(env_steps=100, rounds=3, train_seconds=1.5, n_demonstrations=4)
    assert {key: result[key] for key in list(result)[:16]} == {
        "env_id": "x-v0",
        "seed": 7,
        "env_steps": 100,
        "rounds": 3,
        "train_seconds": 1.5,
        "expert_seconds": None,
        "n_demonstrations": 4,
        "absorbing_logit": None,
        "reward_range": None,
        "expert_return_mean": 10.0,
        "random_return_mean": 2.0,
        "learner_return_mean": 6.0,
        "learner_return_std": 2.0,
        "n_eval_episodes": 2,
        "normalized_score": 0.5,
        "no_score_because": None,
    }
    packages = {"python", "torch", "stable_baselines3", "gymnasium", "airl_cli"}
    assert set(result) - set(list(result)[:16]) == packages
    assert all(result[package][0].isdigit() for package in packages)


def test_evaluate_compares_learner_expert_and_random(env: EnvSpec) -> None:
    evaluation = evaluate(guessing, env, seed=0, expert_policy=perfect, n_episodes=40)
    assert evaluation.expert_returns.tolist() == [10.0] * 40
    assert abs(evaluation.normalized_score) < 0.3
    baseline = random_baseline(env, 5, 1)
    other = evaluate(perfect, env, seed=0, expert_returns=[8.0, 12.0], random=baseline)
    assert other.normalized_score == 1
    assert other.random_returns is baseline.returns
    assert len(other.learner_returns) == 50


def test_without_an_expert_there_is_no_score(env: EnvSpec) -> None:
    evaluation = evaluate(perfect, env, seed=0, n_episodes=3)
    result = evaluation.result()
    assert math.isnan(result["normalized_score"])
    assert math.isnan(result["expert_return_mean"])
    assert result["learner_return_mean"] == 10


@pytest.mark.parametrize(
    ("learner", "expert", "random"),
    [
        ([-3.0, -1.0], [0.0, 0.0, 0.0], [9.0, 11.0]),  # worse than random actions
        ([5.0, 6.0], [10.0, 10.0], [10.0, 10.0]),  # equal
        ([4.0, 8.0], [9.0, 12.0, 10.2], [8.0, 11.0, 12.0, 9.0]),  # better within the noise
    ],
)
def test_an_expert_no_better_than_random_gives_no_score_and_the_reason(
    learner: list[float], expert: list[float], random: list[float]
) -> None:
    evaluation = Evaluation("x-v0", 0, *map(np.array, (learner, expert, random)))
    assert math.isnan(evaluation.normalized_score)
    result = evaluation.result()
    assert math.isnan(result["normalized_score"])
    assert "the mean return of the expert" in result["no_score_because"]
    assert result["learner_return_mean"] == np.mean(learner)
    assert all(math.isnan(evaluation.score_of(returns)) for returns in evaluation.rows().values())
    assert "no normalised score" in str(evaluation.table().caption)
    assert math.isnan(normalized_score(5.0, np.mean(random), np.mean(random) - 1))
