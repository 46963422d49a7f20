"""What `airl check` finds."""

import re

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from airl_cli.envs import EnvSpec, speed
from airl_cli.envs.examine import examine
from airl_cli.envs.speed import Pace
from airl_cli.errors import InvalidValueError


class Odd(gymnasium.Env):
    """Action bounds and observations of other sizes than policies expect; ignores its seed."""

    observation_space = spaces.Box(0, 1000, (2,), np.float32)
    action_space = spaces.Box(0, 1000, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.random.uniform([0, 7], [1000, 7]).astype(np.float32), {}

    def step(self, action):
        self.steps += 1
        obs = np.random.uniform([0, 7], [1000, 7]).astype(np.float32)
        return obs, 1.0, False, self.steps >= 10, {}


def examined(env):
    return {finding.what: finding for finding in examine(env)}


def test_a_usual_task_needs_no_advice_of_ours():
    found = examined(EnvSpec("CartPole-v1", n_envs=2))
    ours = [f.what for f in found.values() if f.advice and "checker" not in f.what]
    assert ours == []
    assert "20 ended in a terminal state; time limit 500 steps" in found["episodes"].value
    assert found["rewards"].value.startswith("1 to 1 a step")
    assert found["seeds"].value == "the same seed and actions give the same episode"
    assert "100% of 50 steps repeated" in found["states"].value
    assert found["Stable-Baselines3's checker"].value == "passes"
    assert "exact resume" in found


def test_what_deserves_attention_comes_with_advice():
    gymnasium.register("Odd-v0", Odd, disable_env_checker=True)
    wrappers = [gymnasium.wrappers.NormalizeReward]
    found = examined(EnvSpec("Odd-v0", wrappers=wrappers))
    del gymnasium.registry["Odd-v0"]
    for what, words in {
        "actions": "RescaleAction",
        "episodes": "env.max_episode_steps",
        "observation scales": "Normalise",
        "seeds": "self.np_random",
        "wrappers": "NormalizeReward changes the reward",
    }.items():
        assert words in found[what].advice, what
    assert found["constant observations"].value == "1 of 2: 1"
    assert "exact resume" not in found


def test_ways_of_stepping_are_measured(monkeypatch):
    monkeypatch.setattr(speed, "usable_cores", lambda: 2)
    found = examined(EnvSpec("CartPole-v1", n_envs=4))
    for way, numbers in (("threads", "the same numbers"), ("native", "other numbers")):
        assert re.fullmatch(
            f"[0-9,]+ steps/s of 4 copies, [0-9,]+ one after the other; {numbers}", found[way].value
        )
    assert "native" not in examined(EnvSpec("Pendulum-v1", n_envs=2))
    monkeypatch.setattr(speed, "usable_cores", lambda: 1)
    assert "threads" not in examined(EnvSpec("Pendulum-v1", n_envs=2))


def test_copies_that_share_something_are_found_before_anybody_asks_for_threads(monkeypatch):
    monkeypatch.setattr(speed, "usable_cores", lambda: 2)
    found = examined(EnvSpec("support.sharing:Sharing-v0", n_envs=2))
    assert found["threads"] == ("threads", "give other numbers: copies share something", "")


@pytest.mark.parametrize(
    ("gain", "chosen", "words"),
    [
        (1.5, "dummy", "the same numbers, 1.5 times as fast"),
        (1.1, "dummy", None),
        (1.1, "threads", None),
        (0.9, "threads", "env.vectorization=dummy is faster"),
        (0.9, "dummy", None),
    ],
)
def test_threads_are_advised_where_they_gain(monkeypatch, gain, chosen, words):
    paces = {"dummy": Pace([100.0], []), "threads": Pace([100.0 * gain], [])}
    monkeypatch.setattr(speed, "usable_cores", lambda: 2)
    monkeypatch.setattr(speed, "by_turns", lambda env, ways: paces)
    env = EnvSpec("Pendulum-v1", n_envs=2, vectorization=chosen)
    ((_, _, advice),) = speed.ways_of_stepping(env)
    assert words in advice if words else not advice


def test_what_training_would_refuse_is_refused():
    endless = type("Endless", (Odd,), {"step": lambda self, a: (*Odd.step(self, a)[:3], False, {})})
    gymnasium.register("Endless-v0", endless, disable_env_checker=True)
    with pytest.raises(InvalidValueError, match="no episode ended"):
        list(examine(EnvSpec("Endless-v0")))
    del gymnasium.registry["Endless-v0"]
