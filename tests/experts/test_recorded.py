from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from airl_cli.data import Trajectory, rollout, storage
from airl_cli.data.stored import StoredTransitions
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.evaluation import sample_episodes
from airl_cli.experts import TrajectoriesExpert
from airl_cli.experts.check import check_demonstrations, check_fit
from support.demos import episodes

PENDULUM = EnvSpec("Pendulum-v1", n_envs=2, max_episode_steps=20)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "demos.safetensors"
    trajectories = sample_episodes(None, PENDULUM, 6, 0)
    spaces = PENDULUM.spaces()
    storage.save(
        path,
        trajectories,
        observation_space=spaces[0],
        action_space=spaces[1],
        metadata={"env": "Pendulum-v1"},
    )
    return path, trajectories


def demonstrations(path, seed=0, env=PENDULUM, **kwargs):
    return TrajectoriesExpert(str(path), **kwargs).demonstrations(env, seed=seed)


def test_all_episodes_and_where_they_come_from(recorded):
    path, trajectories = recorded
    found = demonstrations(path)
    assert list(found.trajectories) == trajectories
    assert found.for_training is found.trajectories
    assert found.policy is None
    provenance = found.provenance
    assert provenance["source"] == "airl"
    assert provenance["path"] == str(path)
    assert len(provenance["sha256"]) == 64
    assert (provenance["n_episodes"], provenance["n_transitions"]) == (6, 120)
    assert provenance["return_mean"] == pytest.approx(found.returns.mean())
    assert provenance["recorded"] == {"env": "Pendulum-v1"}


def test_fewer_episodes_are_drawn_by_the_seed(recorded):
    path, trajectories = recorded
    drawn = {
        tuple(trajectories.index(t) for t in demonstrations(path, s, n_episodes=2).trajectories)
        for s in range(8)
    }
    assert len(drawn) > 1
    again = demonstrations(path, 3, n_episodes=2)
    assert list(again.trajectories) == list(demonstrations(path, 3, n_episodes=2).trajectories)
    with pytest.raises(InvalidValueError, match="n_episodes=7 is more than the 6 in"):
        demonstrations(path, n_episodes=7)


def test_a_file_over_the_limit_stays_on_the_disk_and_gives_the_same(recorded):
    path, _ = recorded
    here = demonstrations(path, n_episodes=3, subsample=4)
    there = demonstrations(path, n_episodes=3, subsample=4, memory_limit=0)
    assert isinstance(there.samples, StoredTransitions)
    assert list(there.trajectories) == list(here.trajectories)
    assert there.returns.tolist() == here.returns.tolist()
    rows = there.samples.rows(np.arange(len(there.samples)))
    for name in ("obs", "acts", "next_obs", "dones"):
        assert np.array_equal(rows[name], getattr(here.samples, name))
    assert there.provenance["streamed"] and not here.provenance["streamed"]


def test_subsampling_keeps_returns_and_lengths_of_whole_episodes(recorded):
    path, trajectories = recorded
    found = demonstrations(path, subsample=10)
    assert len(found.samples) == 12
    assert found.lengths.tolist() == [20] * 6
    whole = rollout.flatten_trajectories(trajectories)
    assert {o.tobytes() for o in found.samples.obs} <= {o.tobytes() for o in whole.obs}


def test_another_sha256_than_asked_for_is_refused(recorded):
    path, _ = recorded
    digest = demonstrations(path).provenance["sha256"]
    demonstrations(path, sha256=digest)
    with pytest.raises(InvalidValueError, match=f"has the SHA-256 {digest}, not expert.sha256=ab"):
        demonstrations(path, sha256="ab")


def test_recordings_of_another_environment_are_refused(recorded, tmp_path):
    path, _ = recorded
    with pytest.raises(InvalidValueError, match="demos.safetensors: episode 0, obs: shape"):
        demonstrations(path, env=EnvSpec("CartPole-v1"))
    with pytest.raises(NotFoundError, match="no file or folder"):
        demonstrations(tmp_path / "none.safetensors")


def test_another_space_of_the_same_shape_is_mentioned(tmp_path, news):
    from gymnasium import spaces

    trajectories = sample_episodes(None, PENDULUM, 1, 0)
    storage.save(tmp_path / "d.safetensors", trajectories, action_space=spaces.Box(-9, 9, (1,)))
    TrajectoriesExpert(str(tmp_path / "d.safetensors")).demonstrations(PENDULUM, seed=0)
    assert "action space is not that of Pendulum-v1" in news()[0]


def test_rewards_may_be_unknown(tmp_path):
    cart = EnvSpec("CartPole-v1")
    plain = episodes(rews=False)
    wide = [type(t)(np.pad(t.obs, ((0, 0), (0, 1))), t.acts, None, t.terminal) for t in plain]
    storage.save(tmp_path / "d.safetensors", wide)
    for limit in (0, 256):
        found = demonstrations(tmp_path / "d.safetensors", env=cart, memory_limit=limit)
        assert len(found.returns) == 0
        assert found.provenance["return_mean"] is None


def test_the_best_episodes_are_those_of_the_highest_returns(recorded):
    path, trajectories = recorded
    returns = np.array([t.rews.sum() for t in trajectories])
    best = demonstrations(path, best=0.4).returns  # of six: 2.4, at least three
    assert sorted(best) == pytest.approx(sorted(returns)[-3:])
    for seed in range(4):
        assert demonstrations(path, seed, best=0.4, n_episodes=2).returns.min() >= best.min()
    with pytest.raises(InvalidValueError, match="n_episodes=4 is more than the 3"):
        demonstrations(path, best=0.4, n_episodes=4)
    with pytest.raises(InvalidValueError, match="best must be more than 0"):
        demonstrations(path, best=0)


def test_the_best_of_unknown_rewards_are_refused(recorded):
    path, trajectories = recorded
    plain = path.with_name("plain.safetensors")
    storage.save(plain, [Trajectory(t.obs, t.acts, None, t.terminal) for t in trajectories])
    with pytest.raises(InvalidValueError, match="plain.safetensors has no rewards"):
        demonstrations(plain, best=0.5)


def as_imitation_marks_them(recorded, n=6):
    """Every episode terminal, although a time limit ended it."""
    path, trajectories = recorded
    marked = path.with_name(f"marked{n}.safetensors")
    storage.save(marked, [replace(t, terminal=i < n) for i, t in enumerate(trajectories)])
    return marked


@pytest.mark.parametrize("memory_limit", [0, 256])
def test_time_limits_that_are_marked_as_terminal_can_be_read_as_truncated(recorded, memory_limit):
    path = as_imitation_marks_them(recorded)

    def dones(**kwargs):
        found = demonstrations(path, memory_limit=memory_limit, **kwargs)
        samples = found.samples
        if samples is not None:
            rows = samples.rows(np.arange(len(samples)))
            assert rows["dones"].sum() == sum(t.terminal for t in found.trajectories)
        return [t.terminal for t in found.trajectories], found.provenance["terminal_at_limit"]

    assert dones() == ([True] * 6, "terminal")
    assert dones(terminal_at_limit="truncated") == ([False] * 6, "truncated")
    longer = EnvSpec("Pendulum-v1", n_envs=2, max_episode_steps=30)
    found = demonstrations(path, env=longer, terminal_at_limit="truncated")
    assert all(t.terminal for t in found.trajectories)  # they end before its limit
    with pytest.raises(InvalidValueError, match="terminal_at_limit=maybe is neither"):
        demonstrations(path, terminal_at_limit="maybe")


def test_options_of_reading_reach_the_file(tmp_path):
    frame = pd.DataFrame({"cos": np.ones(21), "push": [0.5] * 20 + [np.nan], "flight": 1})
    frame["sin"], frame["speed"] = 0.0, 0.25
    frame.to_csv(tmp_path / "d.csv", index=False)
    columns = {"obs": ["cos", "sin", "speed"], "acts": "push", "episode": "flight"}
    [found] = demonstrations(tmp_path / "d.csv", columns=columns).trajectories
    assert found.obs.tolist() == [[1.0, 0.0, 0.25]] * 21
    assert found.acts.tolist() == [[0.5]] * 20  # one column is a vector of one
    assert (found.obs.dtype, found.acts.dtype) == (np.float32, np.float32)
    with pytest.raises(InvalidValueError, match="columns.obs=3 is no name"):
        TrajectoriesExpert("d.csv", columns={"obs": 3})


# -- check -----------------------------------------------------------------------------------------


def test_recordings_of_the_environment_itself_fit(recorded):
    path, trajectories = recorded
    fit = check_fit(str(path), trajectories, PENDULUM)
    assert fit.warnings == ()
    assert (fit.lengths, fit.limit, fit.cut_off) == ((20, 20), 20, 0)
    assert fit.replay.fraction == 1.0


def test_what_is_odd_is_said(recorded):
    path, trajectories = recorded
    heavy = EnvSpec("Pendulum-v1", max_episode_steps=30, kwargs={"g": 30.0})
    fit = check_fit(str(path), trajectories, heavy)
    assert any("6 of 6 episodes stop before the limit of 30" in w for w in fit.warnings)
    assert any("only" in w and "transitions tried" in w for w in fit.warnings)
    fast = [type(t)(t.obs * 1.5, t.acts, None, t.terminal, t.rews) for t in trajectories]
    short = EnvSpec("Pendulum-v1", max_episode_steps=5)
    warnings = check_fit("d", fast, short).warnings
    assert any("outside the observation space" in w for w in warnings)
    assert any("up to 20 steps, Pendulum-v1 ends after 5" in w for w in warnings)


def test_time_limits_that_are_marked_as_terminal_are_noticed(recorded, news):
    path = as_imitation_marks_them(recorded)
    found = demonstrations(path)
    fit = check_fit(str(path), found.trajectories, PENDULUM)
    assert (fit.terminal, fit.terminal_at_limit, fit.ends) == (6, 6, (6, 6, 6))
    assert any("all 6 episodes are marked as terminal exactly at the" in w for w in fit.warnings)
    assert any("Pendulum-v1 itself says otherwise of 6" in w for w in fit.warnings)
    news()
    check_demonstrations(found, PENDULUM, allow_variable_horizon=False)
    assert any("terminal_at_limit=truncated" in line for line in news())
    sound = demonstrations(path, terminal_at_limit="truncated")
    news()
    check_demonstrations(sound, PENDULUM, allow_variable_horizon=False)
    assert news() == []


def test_ends_are_compared_with_the_environment_one_by_one(recorded):
    path = as_imitation_marks_them(recorded, n=2)
    fit = check_fit(str(path), demonstrations(path).trajectories, PENDULUM)
    assert fit.ends == (6, 2, 2)
    assert any(
        "2 are marked as terminal; Pendulum-v1 itself says otherwise" in w for w in fit.warnings
    )


def test_training_refuses_episodes_of_different_length(recorded, news):
    _, trajectories = recorded
    path = recorded[0].with_name("mixed.safetensors")
    cut = trajectories[0]
    cut = type(cut)(cut.obs[:11], cut.acts[:10], None, True, cut.rews[:10])
    storage.save(path, [cut, *trajectories])
    found = demonstrations(path)
    news()
    with pytest.raises(InvalidValueError, match="mixed.safetensors differ in length"):
        check_demonstrations(found, PENDULUM, allow_variable_horizon=False)
    check_demonstrations(found, PENDULUM, allow_variable_horizon=True)
    [line] = news()
    assert "Pendulum-v1 itself says otherwise of 1" in line
