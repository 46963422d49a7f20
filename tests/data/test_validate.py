import dataclasses

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from airl_cli.data import Trajectory, validate
from airl_cli.errors import InvalidValueError
from support.demos import ACT_SPACE, OBS_SPACE, episodes

SPACES = [
    spaces.Box(-1.0, 2.0, (2,), np.float32),
    spaces.Box(-np.inf, np.inf, (1,), np.float32),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 4]),
    spaces.MultiBinary(3),
]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_outside_agrees_with_the_space_itself(data):
    space = data.draw(st.sampled_from(SPACES))
    numbers = st.floats(-5, 5, width=32) if space.dtype == np.float32 else st.integers(-2, 5)
    shape = (4, *space.shape)
    flat = data.draw(st.lists(numbers, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    values = np.array(flat, dtype=space.dtype).reshape(shape)
    found = validate.outside(space, values)
    for value, is_outside in zip(values, found, strict=True):
        if space.dtype != np.float32 or space.contains(value):
            assert is_outside == (not space.contains(value))
        else:  # a float may pass a bound by rounding, and no more
            distance = np.maximum(space.low - value, value - space.high).max()
            assert is_outside or distance <= 1e-4


def test_nan_is_outside():
    assert validate.outside(SPACES[1], np.array([[np.nan], [0.0]])).tolist() == [True, False]


def changed(**changes):
    return dataclasses.replace(episodes()[1], **changes)


@pytest.mark.parametrize(
    ("episode", "message"),
    [
        (changed(obs=np.zeros((8, 2), np.float32)), r"obs: shape \(2,\) per step"),
        (changed(acts=np.zeros((7, 1), np.int64)), r"acts: shape \(1,\) per step"),
        (changed(acts=np.zeros(7)), "acts: float64 values, the environment has Discrete"),
        (changed(acts=np.array([0, 1, 0, 2, 0, 0, 0])), "acts: 2 at step 3 is not in the action"),
        (changed(rews=np.array([0, 0, np.nan, 0, 0, 0, 0])), "rews: nan at step 2"),
        (changed(obs=np.full((8, 3), np.inf, np.float32)), "obs: inf at step 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_episode_and_field(episode, message):
    validator = validate.EpisodeValidator("demos.npz", OBS_SPACE, ACT_SPACE)
    with pytest.raises(InvalidValueError, match=f"^demos.npz: episode 5, {message}") as caught:
        validator.validate(5, episode)
    assert caught.value.remedy


def test_precision_is_brought_to_the_environments():
    validator = validate.EpisodeValidator("d", OBS_SPACE, ACT_SPACE)
    episode = changed(
        obs=episodes()[1].obs.astype(np.float64), acts=episodes()[1].acts.astype(np.uint8)
    )
    assert validator.validate(0, episode) == episodes()[1]


def test_integers_that_the_environments_type_cannot_hold_are_refused():
    images = spaces.Box(0, 255, (2,), np.uint8)
    wide = Trajectory(np.full((3, 2), 300), np.zeros(2, np.int64), None, False)
    with pytest.raises(InvalidValueError, match="obs: values from 300 to 300 do not fit"):
        validate.EpisodeValidator("d", images, ACT_SPACE).validate(0, wide)


def test_actions_outside_the_bounds_are_refused_or_clipped():
    box = spaces.Box(-1.0, 1.0, (1,), np.float32)
    acts = np.array([[0.5], [1.5]])
    episode = Trajectory(np.zeros((3, 3), np.float32), acts, None, False)
    with pytest.raises(InvalidValueError, match="at step 1 is not in.*\n.*clip_actions=true"):
        validate.EpisodeValidator("d", OBS_SPACE, box).validate(0, episode)
    clipped = validate.EpisodeValidator("d", OBS_SPACE, box, clip_actions=True)
    assert clipped.validate(0, episode).acts.ravel().tolist() == [0.5, 1.0]
    columns = {"obs": episode.obs[:2], "acts": acts, "next_obs": episode.obs[1:]}
    assert clipped.cast(columns)["acts"].ravel().tolist() == [0.5, 1.0]


def test_actions_in_other_units_are_refused_even_where_they_may_be_clipped():
    box = spaces.Box(-2.0, 2.0, (2,), np.float32)
    rng = np.random.default_rng(0)
    acts = rng.uniform(-200, 200, (9, 2)).astype(np.float32)
    episode = Trajectory(np.zeros((10, 3), np.float32), acts, None, False)
    for clip in (False, True):
        validator = validate.EpisodeValidator("d", OBS_SPACE, box, clip_actions=clip)
        with pytest.raises(InvalidValueError, match="d: episode 4, acts: .* times the bounds"):
            validator.validate(4, episode)
    few = acts / 100
    few[3] *= 100  # an outlier is clipped
    validator.validate(4, dataclasses.replace(episode, acts=few))


def test_single_numbers_fit_vectors_of_one():
    box = spaces.Box(-1.0, 1.0, (1,), np.float32)
    validator = validate.EpisodeValidator("d", box, box)
    found = validator.validate(0, Trajectory(np.zeros(3), np.ones(2), None, False))
    assert (found.obs.shape, found.acts.shape) == ((3, 1), (2, 1))
    columns = {"obs": np.zeros(2), "acts": np.ones(2), "next_obs": np.zeros(2)}
    assert {c.shape for c in validator.cast(columns).values()} == {(2, 1)}


def test_rounding_at_a_bound_is_clipped_without_being_asked():
    box = spaces.Box(-1.0, 1.0, (1,), np.float32)
    episode = Trajectory(np.zeros((2, 3)), np.array([[1.0 + 1e-7]]), None, False)
    assert box.contains(validate.EpisodeValidator("d", OBS_SPACE, box).validate(0, episode).acts[0])


def test_episodes_of_different_environments_are_not_mixed():
    other = Trajectory(np.zeros((2, 4), np.float32), np.zeros(1, np.int64), None, False)
    with pytest.raises(InvalidValueError, match="d: episode 1, obs: float32 of shape"):
        validate.check_uniform("d", [episodes(rews=False)[0], other])
    with pytest.raises(InvalidValueError, match="d: episode 1, rews"):
        validate.check_uniform("d", [episodes()[0], episodes(rews=False)[0]])
    with pytest.raises(InvalidValueError, match="no episodes"):
        validate.check_uniform("d", [])
