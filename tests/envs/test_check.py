import dataclasses

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from airl_cli.envs import EnvSpec, ZeroBased, check_environment, check_fixed_horizon
from airl_cli.errors import InvalidTypeError, InvalidValueError


@pytest.mark.parametrize("lengths", [[], [5], [200, 200, 200]])
def test_equal_lengths_pass(lengths):
    check_fixed_horizon(lengths, allow_variable_horizon=False, what="the episodes")


def test_different_lengths_are_refused_with_reason_and_ways_out():
    with pytest.raises(InvalidValueError) as caught:
        check_fixed_horizon(
            iter([500, 12, 70]), allow_variable_horizon=False, what="the random policy's episodes"
        )
    assert "the random policy's episodes differ in length (from 12 to 500 steps)" in str(
        caught.value
    )
    assert "staying alive" in caught.value.problem
    assert "trainer.allow_variable_horizon=true" in caught.value.remedy
    assert "fixed horizon" in caught.value.remedy


def test_different_lengths_pass_when_allowed():
    check_fixed_horizon([1, 2], allow_variable_horizon=True, what="the episodes")


# -- environments that training would go wrong in --------------------------------------------------


class Sound(gymnasium.Env):
    """Ten steps; subclasses break one thing each."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)
    ends = True

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.observe(), {}

    def step(self, action):
        self.steps += 1
        return self.observe(), self.reward(), False, self.ends and self.steps >= 10, {}

    def observe(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)

    def reward(self):
        return 1.0


def broken(**members):
    return type("Broken", (Sound,), members)


def fail(self, *args, **kwargs):
    raise KeyError("gone")


def late(value, first=3):
    return lambda self: value if self.steps >= first else np.zeros(2, np.float32)


FAULTS = {
    "never ends": (
        broken(ends=False),
        "no time limit, and no episode ended.*\n.*max_episode_steps",
    ),
    "raises in reset": (broken(reset=fail), r"reset raised KeyError: 'gone' \(test_check.py:\d+\)"),
    "raises in step": (broken(step=fail), r"step raised KeyError: 'gone' \(test_check.py:\d+\)"),
    "raises late": (
        broken(observe=lambda self: 1 / (self.steps - 5)),
        "step raised ZeroDivision|shape",
    ),
    "nan reward": (broken(reward=lambda self: np.nan), "the reward nan"),
    "late nan reward": (
        broken(reward=lambda self: np.nan if self.steps > 6 else 0.0),
        "the reward nan",
    ),
    "array reward": (
        broken(reward=lambda self: np.ones(1)),
        r"the reward array\(\[1.\]\), not one",
    ),
    "no reward": (broken(reward=lambda self: None), "the reward None, not one number"),
    "nan": (broken(observe=late(np.full(2, np.nan))), "step returned an observation .* not finite"),
    "infinite": (broken(observe=late(np.array([0, np.inf]))), "not finite"),
    "outside": (
        broken(observe=late(np.array([0, 1.01]))),
        r"observation\[1\]=1.01, outside .* -1 to 1",
    ),
    "shape": (broken(observe=lambda self: np.zeros(3, np.float32)), r"shape \(3,\)"),
    "text": (broken(observe=lambda self: "here"), "shape None .str."),
    "old reset": (broken(reset=lambda self, **_: np.zeros(2)), "reset returned a ndarray instead"),
    "old reset without seed": (broken(reset=lambda self: (np.zeros(2), {})), "reset takes no seed"),
    "old step": (
        broken(step=lambda self, a: (np.zeros(2), 0.0, False, {})),
        "step returned a tuple of 4.*\n.*terminated",
    ),
    "done is None": (
        broken(step=lambda self, a: (np.zeros(2), 0.0, None, False, {})),
        "terminated=None, not a bool",
    ),
    "cannot be made": (broken(__init__=fail), "cannot be made: KeyError: 'gone'"),
    "Text": (
        broken(observation_space=spaces.Dict(a=spaces.Discrete(2), mission=spaces.Text(9))),
        r"\['mission'\], are of the space Text.*\n.*FilterObservation",
    ),
    "Graph": (
        broken(observation_space=spaces.Graph(spaces.Box(-1, 1, (2,)), None)),
        "the space Graph.*\n.*TransformObservation",
    ),
    "Sequence": (
        broken(observation_space=spaces.Sequence(spaces.Discrete(2))),
        "the space Sequence.*\n.*TransformObservation",
    ),
    "Dict actions": (
        broken(action_space=spaces.Dict(a=spaces.Discrete(2))),
        "actions of .* are a Dict space.*\n.*FlattenAction",
    ),
    "integer Box actions": (
        broken(action_space=spaces.Box(0, 5, (2,), np.int64)),
        "actions of .* are a Box of int64",
    ),
    "actions from 1": (
        broken(action_space=spaces.Discrete(2, start=1)),
        "values that start at 1 instead of 0.*\n.*ZeroBased",
    ),
    "observations from 1": (
        broken(observation_space=spaces.MultiDiscrete([3, 4], start=[1, 1])),
        r"values that start at \[1 1\]",
    ),
}


@pytest.fixture
def register():
    made = []

    def make(kind, **kwargs):
        name = f"Checked{len(made)}-v0"
        gymnasium.register(name, kind, disable_env_checker=True, **kwargs)
        made.append(name)
        return EnvSpec(name, n_envs=2)

    yield make
    for name in made:
        del gymnasium.registry[name]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_training_would_stumble_over_is_refused_first(register, fault):
    kind, message = FAULTS[fault]
    env = register(kind)
    with pytest.raises((InvalidValueError, InvalidTypeError), match=message) as caught:
        check_environment(env)
    assert caught.value.remedy
    assert "\n" not in caught.value.problem


def test_a_sound_environment_shows_its_limit_and_the_lengths_of_its_episodes(register):
    probe = check_environment(register(Sound))
    assert (probe.limit, probe.lengths, probe.steps) == (None, (10,) * 10, 100)
    endless = check_environment(register(broken(ends=False), max_episode_steps=30))
    assert (endless.limit, endless.lengths) == (30, (30,) * 3)
    rounded = broken(observe=lambda self: np.array([1.00005, -1.0]))
    assert check_environment(register(rounded)).lengths


def test_an_episode_that_only_a_good_policy_keeps_alive_is_truncated(register, monkeypatch, caplog):
    monkeypatch.setattr("airl_cli.envs.wrappers.MAX_STEPS", 50)
    venv = register(broken(ends=False)).make(0, n_envs=1)
    venv.reset()
    ends = [venv.step(np.zeros(1, int))[2:4] for _ in range(110)]
    assert [i for i, (done, _) in enumerate(ends) if done[0]] == [49, 99]
    assert ends[49][1][0]["TimeLimit.truncated"]
    assert caplog.text.count("cut after 50 steps (env.max_episode_steps") == 1


def test_values_are_renumbered_from_zero(register):
    seen = []

    class Shifted(Sound):
        observation_space = spaces.MultiDiscrete([3, 4], start=[1, 2])
        action_space = spaces.Discrete(3, start=-1)

        def observe(self):
            return np.array([1 + self.steps % 3, 2 + self.steps % 4])

        def step(self, action):
            seen.append(int(action))
            return super().step(action)

    env = dataclasses.replace(register(Shifted), wrappers=[ZeroBased])
    assert check_environment(env).steps == 100
    assert set(seen) == {-1, 0, 1}
    assert env.spaces() == (spaces.MultiDiscrete([3, 4]), spaces.Discrete(3))
    venv = env.make(0, n_envs=1)
    assert venv.reset().tolist() == [[0, 0]]
    assert venv.step(np.array([2]))[0].tolist() == [[1, 1]]
    assert seen[-1] == 1
