import numpy as np

from airl_cli.algorithms.relabel import RelabelledVecEnv
from airl_cli.algorithms.rollouts import EpisodeSums, RecordingVecEnv
from support.line import line_venv


def recorded(steps: int, **env):
    venv = RecordingVecEnv(line_venv(n_envs=2, **env))
    observations = [venv.reset()]
    outcomes = []
    for _ in range(steps):
        outcomes.append(venv.step(np.ones((2, 1), dtype=np.float32)))
        observations.append(outcomes[-1][0])
    return venv, np.stack(observations), outcomes


def test_everything_that_happened_is_there_once() -> None:
    venv, observations, outcomes = recorded(7)
    assert len(venv.steps) == 7
    rollout = venv.pop()
    assert rollout.shape == (7, 2) and venv.steps == []
    np.testing.assert_array_equal(rollout.obs, observations[:-1])
    np.testing.assert_array_equal(rollout.rewards, [o[1] for o in outcomes])
    assert (rollout.acts == 1).all()


def test_a_time_limit_is_no_terminal_state_and_keeps_its_last_observation() -> None:
    venv, observations, outcomes = recorded(10)
    rollout = venv.pop()
    assert rollout.ends[-1].all() and not rollout.dones.any()
    last = np.stack([info["terminal_observation"] for info in outcomes[-1][3]])
    np.testing.assert_array_equal(rollout.next_obs[-1], last)
    assert not np.array_equal(rollout.next_obs[-1], observations[-1])


def test_a_terminal_state_is_one() -> None:
    venv, _, _ = recorded(6, terminal_at=1.0)
    rollout = venv.pop()
    assert rollout.dones.any()
    np.testing.assert_array_equal(rollout.dones, np.abs(rollout.next_obs[..., 0]) > 1.0)


def test_transitions_keep_their_columns_together() -> None:
    venv, _, _ = recorded(5)
    rollout = venv.pop()
    batch = rollout.transitions()
    assert batch.obs.shape == (10, 2)
    np.testing.assert_array_equal(batch.next_obs[3], rollout.next_obs[1, 1])


def test_rewards_are_the_learned_ones_unless_deferred() -> None:
    venv = RelabelledVecEnv(
        RecordingVecEnv(line_venv(n_envs=2)), lambda batch, _: batch.next_obs[:, 0].numpy()
    )
    venv.reset()
    obs, rewards, _, _ = venv.step(np.zeros((2, 1), dtype=np.float32))
    np.testing.assert_array_equal(rewards, obs[:, 0])
    venv.deferred = True
    assert (venv.step(np.zeros((2, 1), dtype=np.float32))[1] == 0).all()


def test_sums_run_over_episodes_that_span_rollouts() -> None:
    sums = EpisodeSums(2)
    ends = np.array([[0, 0], [1, 0], [0, 0]], dtype=bool)
    assert sums.add(np.array([[1.0, 10], [2, 20], [4, 40]]), ends) == [3.0]
    ends = np.array([[1, 0], [1, 1]], dtype=bool)
    assert sums.add(np.array([[1.0, 1], [7, 1]]), ends) == [5.0, 7.0, 72.0]
