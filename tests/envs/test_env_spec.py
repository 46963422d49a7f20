import functools
import json

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError

limit = functools.partial(gym.wrappers.TimeLimit, max_episode_steps=9)


def test_make_builds_the_environment_it_describes():
    spec = EnvSpec("Pendulum-v1", n_envs=3, kwargs={"g": 5.0}, wrappers=[limit])
    venv = spec.make(seed=0)
    assert isinstance(venv, DummyVecEnv)
    assert venv.num_envs == 3
    assert venv.get_attr("g") == [5.0] * 3
    venv.reset()
    dones = [venv.step(np.zeros((3, 1)))[2].all() for _ in range(9)]
    assert dones == [False] * 8 + [True]
    assert spec.make(seed=0, n_envs=1).num_envs == 1


def test_vectorization_subproc_uses_processes_and_changes_no_numbers():
    in_one = EnvSpec("Pendulum-v1", n_envs=2).make(seed=7)
    in_many = EnvSpec("Pendulum-v1", n_envs=2, vectorization="subproc").make(seed=7)
    assert isinstance(in_many, SubprocVecEnv)
    np.testing.assert_array_equal(in_one.reset(), in_many.reset())
    in_many.close()


def test_seeds_make_the_difference():
    spec = EnvSpec("Pendulum-v1", n_envs=2)
    first = spec.make(seed=0).reset()
    np.testing.assert_array_equal(first, spec.make(seed=0).reset())
    assert not np.array_equal(first, spec.make(seed=1).reset())
    assert not np.array_equal(first[0], first[1])


def test_the_fingerprint_tells_tasks_apart_and_not_how_they_are_run():
    spec = EnvSpec("Pendulum-v1", kwargs={"g": np.float64(5)}, wrappers=(limit,))
    fingerprint = spec.fingerprint()
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    same = EnvSpec(
        "Pendulum-v1", 2, None, {"g": 5.0}, None, vectorization="subproc", wrappers=[limit]
    )
    assert same.fingerprint() == fingerprint
    for other in (
        EnvSpec("Pendulum-v1", kwargs={"g": 6.0}, wrappers=(limit,)),
        EnvSpec("Pendulum-v1", kwargs={"g": 5.0}),
        EnvSpec("Pendulum-v1", kwargs={"g": 5.0}, wrappers=(gym.wrappers.TimeLimit,)),
        EnvSpec("Pendulum-v1", 8, 100, {"g": 5.0}, wrappers=(limit,)),
        EnvSpec("Pendulum-v1", 8, None, {"g": 5.0}, "gymnasium", wrappers=(limit,)),
    ):
        assert other.fingerprint() != fingerprint


def test_no_arguments_and_empty_arguments_are_the_same_task():
    assert EnvSpec("A-v0").fingerprint() == EnvSpec("A-v0", kwargs={}, wrappers=[]).fingerprint()


@pytest.mark.parametrize("wrapper", [lambda env: env, functools.partial(lambda env, a: env, a=1)])
def test_nameless_wrappers_have_no_fingerprint(wrapper):
    with pytest.raises(InvalidTypeError, match="another one may have the same name"):
        EnvSpec("Pendulum-v1", wrappers=[wrapper]).fingerprint()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"id": ""}, "no id"),
        ({"n_envs": 0}, "n_envs must be at least 1.*, got 0"),
        ({"max_episode_steps": -5}, "max_episode_steps must be at least 1.*, got -5"),
        ({"vectorization": "thread"}, "'thread'.*\n.*dummy, subproc, threads, native"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        EnvSpec(**({"id": "Pendulum-v1"} | arguments))


def test_an_unknown_id_is_refused_when_it_is_made():
    with pytest.raises(NotFoundError, match="Did you mean Pendulum-v1"):
        EnvSpec("Pendulun-v1").make(seed=0)
