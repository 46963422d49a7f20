import dataclasses

import numpy as np
import pytest
import torch as th
from torch.utils.data import DataLoader

from airl_cli.data import (
    Trajectory,
    TrajectoryWithRew,
    Transitions,
    TransitionsMinimal,
    TransitionsWithRew,
    transitions_collate_fn,
    true_returns,
)
from airl_cli.errors import InvalidTypeError, InvalidValueError


def transitions(n=5, infos=False):
    obs = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    return TransitionsWithRew(
        obs=obs,
        acts=np.arange(n),
        infos=[{"index": i} for i in range(n)] if infos else None,
        next_obs=obs + 1,
        dones=np.arange(n) == n - 1,
        rews=np.arange(n, dtype=np.float32),
    )


def test_a_trajectory_counts_its_transitions():
    trajectory = Trajectory(np.zeros((4, 2)), np.zeros(3), None, terminal=np.bool_(True))
    assert len(trajectory) == 3
    assert trajectory.terminal is True


def test_lists_and_tensors_become_arrays():
    trajectory = TrajectoryWithRew(
        [[0.0], [1.0]], th.tensor([1]), [{"a": 1}], terminal=False, rews=[1]
    )
    assert trajectory.obs.shape == (2, 1)
    assert isinstance(trajectory.acts, np.ndarray)
    assert trajectory.infos.dtype == object
    assert trajectory.rews.dtype == np.float32


@pytest.mark.parametrize(
    ("n_obs", "n_acts", "infos", "message"),
    [
        (3, 3, None, "3 observations for 3 actions"),
        (5, 3, None, "5 observations for 3 actions"),
        (1, 0, None, "no actions"),
        (4, 3, [{}] * 4, "4 infos for 3 actions"),
    ],
)
def test_trajectories_with_lengths_that_do_not_fit_are_refused(n_obs, n_acts, infos, message):
    with pytest.raises(InvalidValueError, match=message):
        Trajectory(np.zeros((n_obs, 2)), np.zeros(n_acts), infos, terminal=True)


@pytest.mark.parametrize("rews", [np.zeros(2), np.zeros((1, 3)), np.zeros(4)])
def test_rewards_need_one_number_a_step(rews):
    with pytest.raises(InvalidValueError, match="rews of shape"):
        TrajectoryWithRew(np.zeros((4, 2)), np.zeros(3), None, terminal=True, rews=rews)


@pytest.mark.parametrize("obs", [{"a": np.zeros(3)}, np.array(["a", "b"]), [None, {}]])
def test_observations_that_are_no_numbers_are_refused(obs):
    with pytest.raises(InvalidTypeError, match="Trajectory.obs holds"):
        Trajectory(obs, np.zeros(1), None, terminal=True)


def test_scalars_are_no_trajectory():
    with pytest.raises(InvalidValueError, match="scalar"):
        Trajectory(np.zeros(2), np.float32(1), None, terminal=True)


def test_records_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        transitions().obs = np.zeros((5, 2))


def test_records_compare_by_content():
    assert transitions(infos=True) == transitions(infos=True)
    assert transitions() != transitions(infos=True)
    assert transitions() != dataclasses.replace(transitions(), rews=np.zeros(5, np.float32))
    a = Trajectory(np.zeros((2, 1)), np.zeros(1), [{"x": np.zeros(2)}], True)
    assert a == dataclasses.replace(a, infos=[{"x": np.zeros(2)}])
    assert a != dataclasses.replace(a, infos=[{"x": np.ones(2)}])
    assert a != dataclasses.replace(a, terminal=False)
    assert a != "a trajectory"


def test_an_index_gives_a_dict_of_the_fields_that_are_known():
    item = transitions()[2]
    assert set(item) == {"obs", "acts", "next_obs", "dones", "rews"}
    assert item["obs"].tolist() == [4, 5]
    assert transitions(infos=True)[-1]["infos"] == {"index": 4}


def test_slices_and_index_arrays_give_transitions():
    part = transitions(infos=True)[1:3]
    assert type(part) is TransitionsWithRew
    assert part.acts.tolist() == [1, 2]
    assert [info["index"] for info in part.infos] == [1, 2]
    assert transitions()[[4, 0]].acts.tolist() == [4, 0]
    assert transitions()[np.arange(5) > 2].acts.tolist() == [3, 4]
    assert len(transitions()[5:]) == 0


def test_an_index_out_of_range_ends_iteration():
    assert len(list(transitions())) == 5


@pytest.mark.parametrize("infos", [False, True])
def test_a_data_loader_makes_batches_of_tensors(infos):
    collate = transitions_collate_fn if infos else None
    (batch,) = DataLoader(transitions(infos=infos), batch_size=5, collate_fn=collate)
    assert batch["obs"].shape == (5, 2)
    assert batch["dones"].dtype == th.bool
    assert batch["acts"].tolist() == [0, 1, 2, 3, 4]
    assert ("infos" in batch) == infos
    if infos:
        assert batch["infos"][3] == {"index": 3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acts": np.zeros(4)}, "5 observations for 4 actions"),
        ({"next_obs": np.zeros((5, 3))}, r"next_obs of shape \(5, 3\)"),
        ({"dones": np.zeros((5, 2), bool)}, r"dones of shape \(5, 2\)"),
        ({"dones": np.full(5, 2)}, "neither true nor false"),
        ({"rews": np.zeros(6)}, r"rews of shape \(6,\)"),
        ({"infos": [{}]}, "1 infos for 5 actions"),
        ({"obs": np.float32(0)}, "scalar"),
    ],
)
def test_transitions_with_fields_that_do_not_fit_are_refused(change, message):
    with pytest.raises(InvalidValueError, match=message):
        dataclasses.replace(transitions(), **change)


def test_dones_given_as_numbers_become_booleans():
    changed = dataclasses.replace(transitions(), dones=np.array([0, 0, 1.0, 0, 1]))
    assert changed.dones.dtype == bool
    assert changed.dones.tolist() == [False, False, True, False, True]


def test_dones_and_rewards_in_a_column_are_one_for_each_transition():
    flags = np.array([False, True, False, True, True])
    changed = dataclasses.replace(transitions(), dones=flags[:, None], rews=np.ones((5, 1)))
    assert changed.dones.tolist() == flags.tolist()
    assert changed.rews.shape == (5,)


def test_no_infos_equal_empty_ones():
    known = Trajectory(np.zeros((2, 1)), np.zeros(1), [{}], True)
    assert known == dataclasses.replace(known, infos=None)
    assert known != dataclasses.replace(known, infos=[{"a": 1}])
    assert dataclasses.replace(known, infos=None) != dataclasses.replace(known, infos=[{"a": 1}])


def test_minimal_transitions_need_no_next_observation():
    minimal = TransitionsMinimal(np.zeros((2, 3)), np.zeros(2), None)
    assert set(minimal[0]) == {"obs", "acts"}
    assert not isinstance(minimal, Transitions)


def test_true_returns_are_summed_in_double_precision():
    rews = np.full(1000, 0.1, dtype=np.float32)
    trajectory = TrajectoryWithRew(np.zeros((1001, 1)), np.zeros(1000), None, False, rews)
    returns = true_returns([trajectory, trajectory])
    assert returns.dtype == np.float64
    np.testing.assert_allclose(returns, [1000 * float(np.float32(0.1))] * 2, rtol=1e-12)


def test_true_returns_need_rewards():
    with pytest.raises(InvalidTypeError, match="trajectory 0 has no rewards"):
        true_returns([Trajectory(np.zeros((2, 1)), np.zeros(1), None, True)])
