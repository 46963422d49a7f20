import numpy as np
import pytest
from gymnasium import spaces

from airl_cli.data.rollout import TrajectoryAccumulator
from airl_cli.data.wrappers import BufferingWrapper


def stepped(venv, n: int) -> BufferingWrapper:
    venv.reset()
    for _ in range(n):
        venv.step(np.zeros(venv.num_envs, dtype=int))
    return venv


def test_a_buffer_holds_every_transition_once(scripted_venv):
    venv = BufferingWrapper(scripted_venv([[(3, "terminated")], [(5, "truncated")]]))
    assert venv.n_transitions is None
    stepped(venv, 7)
    assert venv.n_transitions == 14
    transitions = venv.pop_transitions()
    assert len(transitions) == 14 and venv.n_transitions == 0
    np.testing.assert_array_equal(transitions.next_obs[:, 2], transitions.obs[:, 2] + 1)
    assert transitions.rews.tolist() == transitions.obs[:, 2].tolist()
    assert transitions.dones.sum() == 2  # of the first environment; the other has time limits
    with pytest.raises(RuntimeError, match="without a step"):
        venv.pop_transitions()


def test_parts_of_episodes_are_not_terminal_and_lengths_are_of_whole_episodes(scripted_venv):
    venv = stepped(BufferingWrapper(scripted_venv([[(3, "terminated")]])), 2)
    parts, lengths = venv.pop_trajectories()
    assert [(len(part), part.terminal) for part in parts] == [(2, False)] and lengths == []
    venv.step(np.zeros(1, dtype=int))
    finished, lengths = venv.pop_finished_trajectories()
    assert [(len(part), part.terminal) for part in finished] == [(1, True)] and lengths == [3]
    assert finished[0].obs[:, 2].tolist() == [2, 3]


def test_a_reset_that_would_drop_steps_is_refused(scripted_venv):
    venv = stepped(BufferingWrapper(scripted_venv([[(3, "terminated")]])), 2)
    with pytest.raises(RuntimeError, match="not popped"):
        venv.reset()
    forgiving = BufferingWrapper(scripted_venv([[(3, "terminated")]]), False)
    stepped(forgiving, 2).reset()
    assert forgiving.n_transitions == 0


def test_an_accumulator_keeps_trajectories_apart():
    steps = TrajectoryAccumulator()
    for key in ("a", "b"):
        steps.add_step({"obs": np.zeros(2)}, key)
    for number in range(3):
        step = {"obs": np.ones(2), "acts": number, "rews": 1.0, "infos": {"n": number}}
        steps.add_step(step, "a")
    trajectory = steps.finish_trajectory("a", terminal=True)
    assert trajectory.acts.tolist() == [0, 1, 2] and trajectory.terminal
    assert [info["n"] for info in trajectory.infos] == [0, 1, 2]
    assert list(steps.partial_trajectories) == ["b"]


def test_observations_that_are_no_arrays_are_refused(scripted_venv):
    venv = scripted_venv([[(3, "terminated")]])
    venv.observation_space = spaces.Dict(a=spaces.Discrete(2))
    with pytest.raises(TypeError, match="FlattenObservation"):
        BufferingWrapper(venv)
