"""Demonstrations without actions: what stands in for them, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.utils import set_random_seed

from airl_cli.algorithms import AIRL, BC, GAIL
from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.inverse_model import InverseModel
from airl_cli.algorithms.samples import ArraySampler
from airl_cli.data.transitions import RowsWithoutActions, WithoutActions, no_actions
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import sample_episodes
from support.line import line_demonstrations, line_venv

PLANE = spaces.Box(-1, 1, (2,), np.float32)


def moves(action_space: spaces.Space, n: int = 600) -> TransitionBatch:
    """Transitions in which the action decides where the state goes."""
    rng = np.random.default_rng(0)
    obs = rng.uniform(-1, 1, (n, 2)).astype(np.float32)
    if isinstance(action_space, spaces.Discrete):
        acts = rng.integers(0, 4, n)
        step = 0.3 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])[acts]
    else:
        acts = rng.uniform(-2, 2, (n, 2)).astype(np.float32)
        step = 0.2 * acts[:, ::-1]
    next_obs = (obs + step).astype(np.float32)
    return TransitionBatch(*map(th.as_tensor, (obs, acts, next_obs, np.zeros(n, bool))))


@pytest.mark.parametrize("space", [spaces.Discrete(4), spaces.Box(-2, 2, (2,), np.float32)])
def test_the_action_is_told_from_the_two_states(space) -> None:
    model = InverseModel(PLANE, space, seed=0)
    known, new = moves(space), moves(space, 100)
    for _ in range(3):
        model.fit(ArraySampler(known, np.random.default_rng(0)))
    found = model.infer(new)
    if isinstance(space, spaces.Discrete):
        assert (found == new.acts).float().mean() > 0.95
    else:
        assert found.shape == new.acts.shape
        assert (found - new.acts).abs().mean() < 0.15
        assert bool((found.abs() <= 2).all())


def test_making_a_model_moves_no_random_stream_and_its_state_comes_back() -> None:
    before = th.get_rng_state()
    model, copy = (InverseModel(PLANE, spaces.Discrete(4), seed=s) for s in (0, 1))
    assert th.equal(before, th.get_rng_state())
    samples = moves(spaces.Discrete(4))
    model.fit(ArraySampler(samples, np.random.default_rng(0)))
    copy.load_state_dict(model.state_dict())
    for each in (model, copy):
        each.fit(ArraySampler(samples, np.random.default_rng(1)))
    assert th.equal(
        model._output(samples.obs, samples.next_obs), copy._output(samples.obs, samples.next_obs)
    )


def test_actions_of_other_spaces_cannot_be_told() -> None:
    with pytest.raises(InvalidValueError, match="MultiBinary spaces cannot be told"):
        InverseModel(PLANE, spaces.MultiBinary(3), seed=0)


def observed():
    return list(WithoutActions(line_demonstrations()))


@pytest.mark.parametrize("kind", ["trajectories", "rows"])
@pytest.mark.parametrize("settings", [{}, {"trainer": GAIL}])
def test_airl_and_gail_learn_from_observations_alone(make_trainer, kind, settings) -> None:
    demonstrations = observed()
    if kind == "rows":
        demonstrations = RowsWithoutActions(Rows())
    game = make_trainer(demonstrations=demonstrations, net={"use_action": False}, **settings)
    game.train(160)
    assert game.n_disc_updates > 0
    assert ("inverse_model_loss" in game.stats) == (settings == {})


class Rows:
    """Demonstrations that are read when they are drawn."""

    def __init__(self) -> None:
        episodes = line_demonstrations()
        self._fields = {
            "obs": np.concatenate([e.obs[:-1] for e in episodes]),
            "acts": np.concatenate([e.acts for e in episodes]),
            "next_obs": np.concatenate([e.obs[1:] for e in episodes]),
        }

    def __len__(self) -> int:
        return len(self._fields["acts"])

    def rows(self, index):
        fields = {name: column[index] for name, column in self._fields.items()}
        return {**fields, "dones": np.zeros(len(index), bool)}


def test_the_actions_of_a_recording_leave_no_trace_where_they_are_not_used(make_trainer) -> None:
    weights = []
    for factor in (1, -1):
        episodes = [dataclasses.replace(e, acts=factor * e.acts) for e in line_demonstrations()]
        game = make_trainer(
            demonstrations=list(WithoutActions(episodes)), net={"use_action": False}
        )
        game.train(80)
        weights.append(th.cat([p.detach().flatten() for p in game.reward_net.parameters()]))
    assert th.equal(*weights)


@pytest.mark.parametrize("trainer", [AIRL, GAIL])
def test_only_the_demonstrations_actions_are_stood_in_for(make_trainer, trainer) -> None:
    game = make_trainer(demonstrations=observed(), net={"use_action": False}, trainer=trainer)
    game.train(80)
    known = {tuple(row) for row in game.gen_replay_buffer.some(80).acts.tolist()}
    drawn = game._disc_samples(None, game.gen_replay_buffer, "gen_samples").acts
    assert {tuple(row) for row in drawn.tolist()} <= known
    shown = game._disc_samples(None, game._demonstrations, "expert_samples").acts
    assert shown.shape == drawn.shape
    game.set_demonstrations(line_demonstrations())  # with actions after all
    theirs = {tuple(row) for e in line_demonstrations() for row in e.acts.tolist()}
    again = game._disc_samples(None, game._demonstrations, "expert_samples").acts
    assert {tuple(row) for row in again.tolist()} <= theirs


def test_a_resumed_training_ends_with_the_same_weights(make_trainer) -> None:
    env = EnvSpec("Pendulum-v1", n_envs=4, max_episode_steps=10)
    shown = list(WithoutActions(sample_episodes(None, env, 8, 0)))

    def game():
        return make_trainer(
            venv=env.make(0),
            demonstrations=shown,
            net={"use_action": False},
            rng=np.random.default_rng(1),
        )

    whole, first, second = game(), game(), game()
    set_random_seed(1)
    whole.train(320)
    set_random_seed(1)
    first.train(160)
    assert second.load_state_dict(first.state_dict())
    second.train(320, completed_rounds=2)
    for a, b in zip(whole.reward_net.parameters(), second.reward_net.parameters(), strict=True):
        assert th.equal(a, b)


def test_a_reward_of_actions_and_cloning_are_refused(make_trainer) -> None:
    with pytest.raises(InvalidValueError, match="hold no actions.*\n.*reward=state_only"):
        make_trainer(demonstrations=observed())
    with pytest.raises(InvalidValueError, match="which behaviour cloning imitates"):
        BC(demonstrations=observed(), venv=line_venv(), gen_algo=make_trainer().gen_algo)


def test_unknown_actions_have_no_width() -> None:
    assert no_actions(5).shape == (5, 0)
    part = WithoutActions(line_demonstrations())[:2]
    assert len(part) == 2 and part[0].acts.shape == (len(part[0]), 0)
