import gymnasium as gym
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from airl_cli.config import conf_dir
from airl_cli.data import rollout
from airl_cli.envs import EnvSpec, FixedHorizon
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import sample_episodes
from airl_cli.runs.vocabulary import Received


def steps(env, n, seed=0):
    env.reset(seed=seed)
    return [env.step(env.action_space.sample()) for _ in range(n)]


def test_the_end_is_shown_until_the_horizon_and_pays_nothing_more(register):
    env = FixedHorizon(gym.make(register(), max_episode_steps=50, disable_env_checker=True), 12)
    obs, rewards, terminated, truncated, infos = zip(*steps(env, 12), strict=True)
    assert [info["absorbed"] for info in infos] == [False] * 7 + [True] * 5
    assert all(np.array_equal(seen, obs[6]) for seen in obs[7:])
    assert not np.array_equal(obs[5], obs[6])
    assert rewards[6] != 0 and rewards[7:] == (0,) * 5
    assert not any(terminated)
    assert list(truncated) == [False] * 11 + [True]


def test_absorbing_steps_pay_what_they_are_told_to(register):
    env = gym.make(register(), max_episode_steps=50, disable_env_checker=True)
    rewards = [step[1] for step in steps(FixedHorizon(env, 9, absorbing_reward=-1.5), 9)]
    assert rewards[7:] == [-1.5, -1.5] and -1.5 not in rewards[:7]


def test_the_next_episode_starts_afresh(register):
    env = FixedHorizon(gym.make(register(), max_episode_steps=50, disable_env_checker=True), 9)
    steps(env, 9)
    obs, _ = env.reset(seed=1)
    assert np.array_equal(obs, [0, 0])
    assert not env.step(env.action_space.sample())[4]["absorbed"]


def test_the_horizon_is_the_tasks_own_time_limit_unless_given(register):
    env = gym.make(register(), max_episode_steps=20, disable_env_checker=True)
    assert FixedHorizon(env).horizon == 20
    assert FixedHorizon(env, horizon=15).horizon == 15


def test_a_horizon_that_cannot_be_is_refused(register):
    limited = gym.make(register(), max_episode_steps=5, disable_env_checker=True)
    with pytest.raises(InvalidValueError, match="longer than the task's time limit of 5"):
        FixedHorizon(limited, horizon=6)
    with pytest.raises(InvalidValueError, match="no time limit of its own"):
        FixedHorizon(gym.make("AirlTest-v0", disable_env_checker=True).unwrapped)


@pytest.mark.parametrize("make", [instantiate, lambda node: Received().value(node, "env")])
def test_the_config_makes_episodes_of_one_length(make):
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        node = compose("train", ["env=acrobot", "env.max_episode_steps=60"]).env
    env: EnvSpec = make(OmegaConf.to_container(node))
    lengths = {len(episode) for episode in sample_episodes(None, env, 3, seed=0)}
    assert lengths == {60}


def test_solving_the_task_sooner_pays_more():
    spec = EnvSpec("Acrobot-v1", n_envs=1, wrappers=(FixedHorizon,))

    def pumps(obs, state, starts):  # with the velocity of the first joint: swings up
        return np.where(obs[:, 4] > 0, 0, 2), state

    (solved,) = sample_episodes(pumps, spec, 1, seed=0)
    assert len(solved) == 500 and not solved.terminal
    assert -500 < solved.rews.sum() < -30
    assert rollout.rollout_stats([solved])["len_mean"] == 500
