"""Copies stepped by threads, and environments that are registered vectorised."""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.envs.classic_control.cartpole import CartPoleEnv, CartPoleVectorEnv
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from airl_cli.envs import EnvSpec, check_environment, make_vec_env
from airl_cli.envs.native import NativeVecEnv
from airl_cli.envs.threads import ThreadedVecEnv
from airl_cli.envs.wrappers import episode_logs, repeat_episodes
from airl_cli.errors import InvalidTypeError, InvalidValueError


class Walk(gym.Env):
    """A random walk that ends after about 7 steps; its seed decides."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    fail_at = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.options = options
        self.state, self.time = self.np_random.normal(size=2), 0
        self.end = 5 + int(self.np_random.integers(5))
        return self.state.copy(), {"options": options}

    def step(self, action):
        time.sleep(1e-5)  # other threads' turn
        self.time += 1
        if self.time == self.fail_at:
            raise RuntimeError("the walker stumbled")
        self.state += self.np_random.normal(size=2) + float(action[0])
        info = {"array": self.state, "time": self.time}
        return self.state.copy(), float(self.state[0]), self.time == self.end, False, info


class SharesAState(Walk):
    """All copies walk on one path."""

    path = np.zeros(2)

    def step(self, action):
        self.path += self.np_random.normal(size=2)
        obs, reward, *rest = super().step(action)
        return obs + self.path, reward, *rest


class GlobalGenerator(Walk):
    def step(self, action):
        obs, reward, *rest = super().step(action)
        return obs, reward + float(np.random.normal()), *rest


class ScratchSpace(Walk):
    """Each copy leaves its number in one place, and reads it again a little later."""

    scratch: list[float] = [0.0]

    def step(self, action):
        obs, reward, *rest = super().step(action)
        self.scratch[0] = reward
        time.sleep(1e-4)
        return obs, self.scratch[0], *rest


@pytest.fixture
def register() -> Iterator[Callable[..., str]]:
    def register_(entry_point: Any = Walk, **kwargs: Any) -> str:
        gym.register("Walk-v0", entry_point, **{"max_episode_steps": 8, **kwargs})
        return "Walk-v0"

    yield register_
    gym.registry.pop("Walk-v0", None)


def threaded(env_id: str, n_envs: int, seed: int = 3, n_threads: int = 3) -> ThreadedVecEnv:
    venv = EnvSpec(env_id, n_envs=n_envs, vectorization="threads").make(seed)
    assert isinstance(venv, ThreadedVecEnv)
    venv.share_out([s.tolist() for s in np.array_split(np.arange(n_envs), n_threads)])
    return venv


def stream(venv: Any, steps: int) -> list[Any]:
    """Everything that steps give, but for the time on the clock."""
    acts = np.random.default_rng(5).uniform(-1, 1, (steps, venv.num_envs, 1)).astype(np.float32)
    seen: list[Any] = [venv.reset(), list(venv.reset_infos)]
    for act in acts:
        obs, rewards, dones, infos = venv.step(act)
        for info in infos:
            info.get("episode", {}).pop("t", None)
        seen.append((obs, rewards, dones, infos, list(venv.reset_infos)))
    return seen


@pytest.mark.parametrize("n_envs", [1, 3, 8])
def test_threads_give_what_one_gives_to_the_bit(register, n_envs: int) -> None:
    env_id = register()
    dummy = EnvSpec(env_id, n_envs=n_envs).make(3)
    with_threads = threaded(env_id, n_envs, n_threads=min(n_envs, 3))
    assert isinstance(with_threads, DummyVecEnv)
    for venv in (dummy, with_threads):
        venv.set_options([{"number": i} for i in range(n_envs)])
    expected, found = stream(dummy, 60), stream(with_threads, 60)
    np.testing.assert_equal(found, expected)
    infos = [info for _, _, _, infos, _ in found[2:] for info in infos]
    ends = [info for info in infos if "terminal_observation" in info]
    assert len(ends) >= 5 * n_envs
    assert {info["TimeLimit.truncated"] for info in ends} == {True, False}
    for mine, other in zip(found[2], expected[2], strict=True):
        assert (type(mine), getattr(mine, "dtype", 0)) == (type(other), getattr(other, "dtype", 0))
    assert found[1] == [{"options": {"number": i}} for i in range(n_envs)]
    with_threads.close()


def test_mujoco_in_threads_is_mujoco_to_the_bit() -> None:
    pytest.importorskip("mujoco")
    seen = []
    for way in ("dummy", "threads"):
        spec = EnvSpec("HalfCheetah-v5", n_envs=5, max_episode_steps=20, vectorization=way)
        check_environment(spec)
        venv, rng = spec.make(3), np.random.default_rng(0)
        rows = [venv.reset()]
        for _ in range(50):
            obs, rewards, dones, infos = venv.step(rng.uniform(-1, 1, (5, 6)).astype(np.float32))
            last = [infos[i]["terminal_observation"] for i in np.flatnonzero(dones)]
            rows += [obs, rewards, dones, *last]
        venv.close()
        seen.append([row.tobytes() for row in rows])
    assert seen[0] == seen[1]


class Waits(Walk):
    """Leaves the interpreter for a while, without computing anything."""

    def step(self, action):
        time.sleep(0.005)
        return super().step(action)


def test_steps_outside_of_the_interpreter_overlap(register) -> None:
    env_id = register(Waits)
    seconds = []
    for n_threads in (1, 4):
        venv = threaded(env_id, 8, n_threads=n_threads)
        venv.reset()
        start = time.perf_counter()
        for _ in range(5):
            venv.step(np.zeros((8, 1), np.float32))
        seconds.append(time.perf_counter() - start)
        venv.close()
    assert seconds[1] < 0.6 * seconds[0], seconds


def test_attributes_and_methods_of_copies_are_those_of_dummy(register) -> None:
    venv = threaded(register(), 4)
    venv.reset()
    venv.set_attr("mark", 7, indices=[1, 3])
    assert venv.get_attr("mark", indices=[3, 1]) == [7, 7]
    assert not venv.has_attr("mark")
    assert venv.env_method("get_wrapper_attr", "time") == [0] * 4
    venv.close()


def test_open_episodes_are_repeated_as_those_of_one_thread(register) -> None:
    env_id = register()
    first, second = threaded(env_id, 5), threaded(env_id, 5, seed=99)
    one = EnvSpec(env_id, n_envs=5).make(99)
    shown = stream(first, 23)[-1][0]
    logs = episode_logs(first)
    assert repeat_episodes(second, logs, shown)
    assert repeat_episodes(one, logs, shown)
    act = np.ones((5, 1), np.float32)
    for _ in range(20):
        obs = first.step(act)[0]
        np.testing.assert_array_equal(obs, second.step(act)[0])
        np.testing.assert_array_equal(obs, one.step(act)[0])
    first.close(), second.close()


@pytest.mark.parametrize("copy", [0, 4])
def test_what_a_copy_raises_arrives_with_its_message(register, copy: int) -> None:
    venv = threaded(register(), 5)
    venv.reset()
    venv.env_method("get_wrapper_attr", "unwrapped", indices=[copy])[0].fail_at = 2
    act = np.zeros((5, 1), np.float32)
    venv.step(act)
    with pytest.raises(InvalidValueError, match="Walk-v0: step raised RuntimeError: the walker"):
        venv.step(act)
    assert venv.reset().shape == (5, 2)  # the threads are there still
    venv.close()


def test_threads_end_with_their_environment(register) -> None:
    env_id, before = register(), set(threading.enumerate())
    closed, forgotten = threaded(env_id, 4, n_threads=4), threaded(env_id, 4, n_threads=4)
    forgotten.reset()
    started = [t for t in set(threading.enumerate()) - before if t.name.startswith("environments")]
    assert len(started) >= 6
    closed.close()
    del forgotten
    gc.collect()
    for thread in started:
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_steps_that_an_interrupt_left_alone_are_waited_for(register, monkeypatch) -> None:
    venv = threaded(register(), 4, n_threads=2)
    venv.reset()
    slow, own = venv.envs[3], venv.envs[0]
    slow_step = slow.step

    def interrupted(action: Any) -> Any:
        raise KeyboardInterrupt

    def late(action: Any) -> Any:
        time.sleep(0.05)
        return slow_step(action)

    monkeypatch.setattr(slow, "step", late)
    monkeypatch.setattr(own, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        venv.step(np.zeros((4, 1), np.float32))
    monkeypatch.undo()
    assert venv.reset().shape == (4, 2)
    venv.close()


def test_sound_copies_pass_and_no_random_stream_moves(register) -> None:
    def streams() -> list[Any]:
        return [random.getstate(), np.random.get_state(), torch.get_rng_state().tolist()]

    before, interval = streams(), sys.getswitchinterval()
    check_environment(EnvSpec(register(), n_envs=3, vectorization="threads"))
    np.testing.assert_equal(streams(), before)
    assert sys.getswitchinterval() == interval


@pytest.mark.parametrize("env", [SharesAState, GlobalGenerator, ScratchSpace])
def test_copies_that_share_something_are_refused(register, env: type[Walk]) -> None:
    spec = EnvSpec(register(env), n_envs=3, vectorization="threads")
    with pytest.raises(InvalidValueError, match="copies of Walk-v0.*\n.*vectorization=dummy"):
        check_environment(spec)
    check_environment(EnvSpec("Walk-v0", n_envs=3))


# -- registered vectorised -------------------------------------------------------------------------


def native(**kwargs: Any) -> NativeVecEnv:
    venv = EnvSpec("CartPole-v1", vectorization="native", **kwargs).make(0)
    assert isinstance(venv, NativeVecEnv)
    return venv


def test_native_cart_pole_keeps_the_books_of_dummy() -> None:
    venv, rng = native(n_envs=3, max_episode_steps=30), np.random.default_rng(0)
    last = venv.reset()
    assert (last.shape, last.dtype) == ((3, 4), np.float32)
    lengths, single, truncations = np.zeros(3, int), CartPoleEnv(), []
    single.reset()
    for _ in range(400):
        # One copy is kept upright until its time is over.
        angle = last[0, 2] + 0.5 * last[0, 3] + 0.02 * last[0, 0] + 0.1 * last[0, 1]
        acts = np.array([int(angle > 0), *rng.integers(2, size=2)])
        obs, rewards, dones, infos = venv.step(acts)
        lengths += 1
        assert (rewards.dtype, dones.dtype, obs.dtype) == (np.float32, bool, np.float32)
        assert rewards.tolist() == [1.0, 1.0, 1.0]
        for i in range(3):
            single.state, single.steps_beyond_terminated = last[i].astype(float), None
            expected, _, terminated, _, _ = single.step(acts[i])
            shown = infos[i]["terminal_observation"] if dones[i] else obs[i]
            np.testing.assert_allclose(shown, expected, rtol=1e-4, atol=1e-5)
            assert dones[i] == (terminated or lengths[i] == 30)
            assert infos[i]["TimeLimit.truncated"] == (dones[i] and not terminated)
            if dones[i]:
                episode = infos[i]["episode"]
                assert (episode["l"], episode["r"]) == (lengths[i], lengths[i])
                assert np.abs(obs[i]).max() <= 0.05  # a new episode
                truncations.append(infos[i]["TimeLimit.truncated"])
                lengths[i] = 0
        last = obs
    assert set(truncations) == {True, False}
    venv.close()


def test_native_copies_follow_their_seed_and_differ() -> None:
    first, again = native(n_envs=4).reset(), native(n_envs=4).reset()
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first, axis=0)) == 4
    other = EnvSpec("CartPole-v1", n_envs=4, vectorization="native").make(1).reset()
    assert not np.array_equal(first, other)


def test_native_copies_cannot_be_resumed_and_have_no_methods() -> None:
    venv = native(n_envs=2)
    shown = venv.reset()
    assert episode_logs(venv) is None
    assert not repeat_episodes(venv, None, shown)
    assert venv.get_attr("x_threshold") == [2.4, 2.4]
    assert not venv.has_attr("action_masks")
    with pytest.raises(InvalidValueError, match="the method render needs single copies"):
        venv.env_method("render")


def synchronous(mode: AutoresetMode) -> Callable[..., Any]:
    def make(num_envs: int, max_episode_steps: int) -> SyncVectorEnv:
        one = [lambda: gym.wrappers.TimeLimit(Walk(), max_episode_steps)] * num_envs
        return SyncVectorEnv(one, autoreset_mode=mode)

    return make


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.DISABLED])
def test_native_restarts_in_the_same_step_whoever_does_it(register, mode: AutoresetMode) -> None:
    env_id = register(vector_entry_point=synchronous(mode))
    check_environment(EnvSpec(env_id, n_envs=2, vectorization="native"))
    venv = EnvSpec(env_id, n_envs=2, vectorization="native").make(0)
    assert venv.observation_space.dtype == np.float32
    ends = []
    for obs, rewards, dones, infos, _ in stream(venv, 60)[2:]:
        assert obs.dtype == np.float32
        for i in np.flatnonzero(dones):
            assert infos[i]["terminal_observation"].dtype == np.float32
            assert infos[i]["terminal_observation"][0] == pytest.approx(rewards[i], rel=1e-5)
            assert not np.array_equal(infos[i]["terminal_observation"], obs[i])
            ends.append((infos[i]["episode"]["l"], infos[i]["TimeLimit.truncated"]))
        assert all("time" in info for info, done in zip(infos, dones, strict=True) if not done)
    assert {length for length, _ in ends} <= {5, 6, 7, 8}
    assert {cut for _, cut in ends} == {True, False}
    assert all(length == 8 for length, cut in ends if cut)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"id": "Pendulum-v1"}, "Pendulum-v1 is not registered vectorised"),
        ({"wrappers": [gym.wrappers.RecordEpisodeStatistics]}, "env.wrappers needs single copies"),
        ({"history": 4}, "env.history=4 needs single copies"),
        ({"kwargs": {"wind": 1}}, "cannot be made with these arguments"),
    ],
)
def test_what_native_cannot_do_is_refused(arguments: dict[str, Any], words: str) -> None:
    spec = EnvSpec(**{"id": "CartPole-v1", "n_envs": 2, "vectorization": "native", **arguments})
    with pytest.raises(InvalidValueError, match=words):
        spec.make(0)
    with pytest.raises(InvalidValueError):
        check_environment(spec)


def test_native_environments_of_other_habits_are_refused(register) -> None:
    class Late(CartPoleVectorEnv):
        """Restarts episodes in the step after their end."""

    env_id = register(CartPoleEnv, vector_entry_point=Late)
    with pytest.raises(InvalidValueError, match="in the step after its end.*NextStep"):
        make_vec_env(env_id, rng=np.random.default_rng(0), vectorization="native")


def test_native_spaces_must_be_those_of_one_copy(register) -> None:
    vectorised = synchronous(AutoresetMode.SAME_STEP)
    env_id = register(CartPoleEnv, vector_entry_point=vectorised)
    with pytest.raises(InvalidValueError, match="other spaces vectorised than alone"):
        check_environment(EnvSpec(env_id, vectorization="native"))


def test_an_end_without_its_last_observation_is_named(register) -> None:
    class Silent(CartPoleVectorEnv):
        metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    env_id = register(CartPoleEnv, vector_entry_point=Silent)
    venv = make_vec_env(env_id, rng=np.random.default_rng(0), vectorization="native")
    venv.reset()
    with pytest.raises(InvalidTypeError, match="no info\\['final_obs'\\]"):
        for _ in range(100):
            venv.step(np.ones(8, np.int64))
