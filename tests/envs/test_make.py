import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from airl_cli.data import rollout
from airl_cli.data.wrappers import RolloutInfoWrapper
from airl_cli.envs import make_vec_env
from airl_cli.errors import InvalidValueError


def rng(seed=0):
    return np.random.default_rng(seed)


def stream(venv, steps=20):
    """Everything that comes out of `venv` in some steps, over ends of episodes."""
    acts = np.random.default_rng(5).uniform(-1, 1, (steps, venv.num_envs, 1)).astype(np.float32)
    recorded = [[venv.reset()]]
    for act in acts:
        obs, rews, dones, infos = venv.step(act)
        ends = [info["terminal_observation"] for info in infos if "terminal_observation" in info]
        returns = [info["episode"]["r"] for info in infos if "episode" in info]
        assert isinstance(infos, list)
        recorded.append([obs, rews, dones, *ends, returns])
    venv.close()
    return recorded


def assert_same(a, b):
    for row_a, row_b in zip(a, b, strict=True):
        for x, y in zip(row_a, row_b, strict=True):
            assert getattr(x, "dtype", None) == getattr(y, "dtype", None)
            np.testing.assert_array_equal(x, y)


def test_one_process_and_many_give_the_same_stream(register):
    env_id = register()
    dummy = make_vec_env(env_id, rng=rng(), n_envs=2)
    subproc = make_vec_env(env_id, rng=rng(), n_envs=2, parallel=True)
    assert isinstance(dummy, DummyVecEnv)
    assert isinstance(subproc, SubprocVecEnv)
    assert dummy.observation_space == subproc.observation_space
    assert_same(stream(dummy), stream(subproc))


def test_the_seed_determines_the_stream_and_copies_differ(register):
    env_id = register()
    first, again, other = (
        stream(make_vec_env(env_id, rng=rng(seed), n_envs=3)) for seed in (0, 0, 1)
    )
    assert_same(first, again)
    assert not np.array_equal(first[1][0], other[1][0])
    assert len(np.unique(first[1][0], axis=0)) == 3


def test_one_generator_makes_different_environments(register):
    env_id, generator = register(), rng()
    train, evaluation = (stream(make_vec_env(env_id, rng=generator, n_envs=1)) for _ in range(2))
    assert not np.array_equal(train[1][0], evaluation[1][0])


def test_float64_observations_leave_as_float32(register):
    venv = make_vec_env(register(), rng=rng(), n_envs=1)
    # bounds beyond float32 are no bounds
    assert venv.observation_space == spaces.Box(-np.inf, np.inf, (2,), np.float32)
    assert venv.reset().dtype == np.float32
    for _ in range(7):
        obs, _, dones, infos = venv.step(np.zeros((1, 1), np.float32))
    assert dones[0]
    assert obs.dtype == infos[0]["terminal_observation"].dtype == np.float32


def test_infos_tell_return_and_length_of_the_environment(register):
    venv = make_vec_env(register(), rng=rng(), n_envs=2)
    for trajectory in rollout.generate_trajectories(
        None, venv, rollout.make_min_episodes(4), rng()
    ):
        assert trajectory.infos[-1]["episode"]["l"] == len(trajectory) == 7
        assert trajectory.infos[-1]["episode"]["r"] == pytest.approx(
            trajectory.rews.sum(), rel=1e-4, abs=1e-4
        )


def test_the_time_limit_can_be_set_and_truncates(register):
    venv = make_vec_env(register(max_episode_steps=6), rng=rng(), n_envs=1)
    shorter = make_vec_env("AirlTest-v0", rng=rng(), n_envs=1, max_episode_steps=3)
    longer = make_vec_env("AirlTest-v0", rng=rng(), n_envs=1, max_episode_steps=100)
    for env, length, terminal in ((venv, 6, False), (shorter, 3, False), (longer, 7, True)):
        (trajectory,) = rollout.rollout(None, env, rollout.make_min_episodes(1), rng=rng())
        assert (len(trajectory), trajectory.terminal) == (length, terminal)


class TimesTen(gym.RewardWrapper):
    def reward(self, reward):
        return 10 * reward


def test_post_wrappers_lie_outside_and_wrappers_inside_the_monitor(register):
    seen = []

    def post_wrapper(env, index):
        seen.append((index, isinstance(env, Monitor)))
        return RolloutInfoWrapper(env)

    inside = make_vec_env(
        register(), rng=rng(), n_envs=2, post_wrappers=[post_wrapper], wrappers=[TimesTen]
    )
    plain = make_vec_env("AirlTest-v0", rng=rng(), n_envs=2)
    assert seen == [(0, True), (1, True)]
    for ten_times, once in zip(stream(inside)[1:], stream(plain)[1:], strict=True):
        np.testing.assert_allclose(ten_times[1], 10 * once[1], rtol=1e-6)
        np.testing.assert_allclose(ten_times[-1], 10 * np.array(once[-1]), rtol=1e-5)


def test_wrappers_may_be_lambdas_in_worker_processes_too(register):
    venv = make_vec_env(
        register(),
        rng=rng(),
        n_envs=1,
        parallel=True,
        post_wrappers=[lambda env, _: RolloutInfoWrapper(env)],
        wrappers=[lambda env: gym.wrappers.TimeLimit(env, 2)],
    )
    (trajectory,) = rollout.rollout(None, venv, rollout.make_min_episodes(1), rng=rng())
    venv.close()
    assert len(trajectory) == 2
    assert trajectory.obs.dtype == np.float32


def test_constructor_arguments_reach_the_environment(register):
    venv = make_vec_env(register(), rng=rng(), n_envs=1, env_make_kwargs={"scale": 0.0})
    venv.reset()
    obs, *_ = venv.step(np.ones((1, 1), np.float32))
    assert obs.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("parallel", [False, True])
def test_constructor_arguments_that_it_does_not_know_are_refused(register, parallel):
    with pytest.raises(InvalidValueError, match="AirlTest-v0.*wind.*\nCorrect env.kwargs"):
        make_vec_env(
            register(), rng=rng(), n_envs=1, parallel=parallel, env_make_kwargs={"wind": 1}
        )


def test_monitor_files_are_written_on_demand(register, tmp_path):
    venv = make_vec_env(register(), rng=rng(), n_envs=2, log_dir=tmp_path / "logs")
    stream(venv)
    files = sorted(path.name for path in (tmp_path / "logs" / "monitor").iterdir())
    assert files == ["000.monitor.csv", "001.monitor.csv"]
    assert len((tmp_path / "logs" / "monitor" / files[0]).read_text().splitlines()) == 2 + 2


@pytest.mark.parametrize("arguments", [{"n_envs": 0}, {"max_episode_steps": 0}])
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(InvalidValueError, match=f"{next(iter(arguments))} is 0"):
        make_vec_env("Pendulum-v1", rng=rng(), **arguments)


@pytest.mark.parametrize(
    ("env_id", "length"), [("seals/CartPole-v0", 500), ("seals/MountainCar-v0", 200)]
)
def test_seals_environments_have_a_fixed_horizon_that_is_no_terminal_state(env_id, length):
    venv = make_vec_env(env_id, rng=rng(), n_envs=2)
    for trajectory in rollout.rollout(None, venv, rollout.make_min_episodes(3), rng=rng()):
        assert len(trajectory) == length
        assert not trajectory.terminal
        assert trajectory.obs.dtype == np.float32
