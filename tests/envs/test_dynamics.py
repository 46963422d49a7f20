import gymnasium as gym
import numpy as np
import pytest

from airl_cli.data import rollout
from airl_cli.envs import EnvSpec
from airl_cli.envs.dynamics import replay


def transitions(spec, n=60):
    venv = spec.make(3, n_envs=1)
    try:
        return rollout.generate_transitions(None, venv, n, rng=np.random.default_rng(0))
    finally:
        venv.close()


def replayed(spec, recorded):
    return replay(spec, recorded.obs, recorded.acts, recorded.next_obs)


@pytest.mark.parametrize(
    "env_id",
    [
        "CartPole-v1",
        "seals/CartPole-v0",
        "MountainCarContinuous-v0",
        "Pendulum-v1",
        "Acrobot-v1",
        "HalfCheetah-v5",
    ],
)
def test_an_environment_reproduces_its_own_transitions(env_id):
    spec = EnvSpec(env_id, max_episode_steps=30)
    found = replayed(spec, transitions(spec))
    assert found.tried == 60
    assert found.fraction >= 0.95


def test_other_dynamics_do_not_reproduce_them():
    recorded = transitions(EnvSpec("Pendulum-v1", max_episode_steps=30))
    moon = EnvSpec("Pendulum-v1", max_episode_steps=30, kwargs={"g": 1.6})
    assert replayed(moon, recorded).fraction < 0.5


class Hooked(gym.Env):
    """Adds its action to a hidden number that observations show doubled."""

    observation_space = gym.spaces.Box(-99.0, 99.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        self.number = 0.0
        return self._obs(), {}

    def _obs(self):
        return np.array([2 * self.number], dtype=np.float32)

    def step(self, action):
        self.number += float(action)
        return self._obs(), 0.0, False, False, {}


class Settable(Hooked):
    def reset_to_observation(self, obs):
        self.number = float(obs[0]) / 2


@pytest.fixture(scope="module", autouse=True)
def _registered():
    for cls in (Hooked, Settable):
        gym.register(f"Test{cls.__name__}-v0", cls, max_episode_steps=9, disable_env_checker=True)
    yield
    for cls in (Hooked, Settable):
        del gym.registry[f"Test{cls.__name__}-v0"]


def test_an_environment_of_ones_own_can_offer_to_be_put_into_a_state():
    recorded = transitions(EnvSpec("TestSettable-v0"))
    assert replayed(EnvSpec("TestSettable-v0"), recorded).fraction == 1.0
    without = replayed(EnvSpec("TestHooked-v0"), recorded)
    assert without.tried == 0
    assert "cannot be put into a recorded state" in without.reason


def double(env):
    return gym.wrappers.TransformObservation(env, lambda obs: 2 * obs, env.observation_space)


def test_observations_that_a_wrapper_changed_are_not_tried():
    spec = EnvSpec("CartPole-v1", wrappers=[double])
    found = replay(
        spec, np.zeros((1, 4), np.float32), np.zeros(1, np.int64), np.zeros((1, 4), np.float32)
    )
    assert found.tried == 0
