"""What people and other programs put into arrays, cut into episodes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from airl_cli.data import formats, rollout
from airl_cli.data.formats.fields import SYNONYMS
from airl_cli.errors import AirlError, InvalidValueError
from support.demos import episodes


def flat(lengths=(2, 3)):
    n = sum(lengths)
    return {
        "obs": np.arange((n + len(lengths)) * 2, dtype=np.float32).reshape(-1, 2),
        "acts": np.arange(n),
        "lengths": np.array(lengths),
    }


def read_arrays(tmp_path, **arrays):
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    return formats.read(str(tmp_path / "a.npz")).trajectories


def test_arrays_are_cut_by_lengths_and_by_indices_alike(tmp_path):
    by_lengths = read_arrays(tmp_path, **flat())
    arrays = flat()
    del arrays["lengths"]
    assert read_arrays(tmp_path, **arrays, indices=np.array([2])) == by_lengths
    assert read_arrays(tmp_path, **arrays, indices=np.array([2, 5])) == by_lengths
    assert [len(t) for t in by_lengths] == [2, 3]
    assert by_lengths[1].obs[0].tolist() == [6, 7]


def test_stacked_episodes_are_told_apart_by_their_first_axis(tmp_path):
    stacked = read_arrays(
        tmp_path,
        observations=np.zeros((4, 6, 2)),
        actions=np.zeros((4, 5, 1)),
        rewards=np.ones((4, 5)),
        terminal=np.array([True, False, False, True]),
    )
    assert [len(t) for t in stacked] == [5] * 4
    assert [t.terminal for t in stacked] == [True, False, False, True]


def test_transitions_are_joined_into_episodes_and_a_timeout_is_not_terminal(tmp_path):
    obs = np.array([[0.0], [1], [10], [11], [20]])
    episodes_ = read_arrays(
        tmp_path,
        observations=obs,
        actions=np.arange(5),
        next_observations=obs + 1,
        terminals=np.array([False, True, False, False, False]),
        timeouts=np.array([False, False, False, True, False]),
        rewards=np.arange(5.0),
    )
    assert [t.obs.ravel().tolist() for t in episodes_] == [[0, 1, 2], [10, 11, 12], [20, 21]]
    assert [t.terminal for t in episodes_] == [True, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": np.zeros((6, 2))}, "obs: 6 rows, but 2 episodes of 5 steps in all have 7"),
        ({"acts": np.arange(4)}, "acts: 4 rows"),
        ({"rews": np.zeros(6)}, "rews: 6 rows"),
        ({"lengths": np.array([5, 0])}, "episode 1: it has no actions"),
        ({"lengths": np.array([2.0, 3.0])}, "lengths: no list of whole numbers"),
        ({"terminal": np.array([0, 2])}, "terminal: int64 of shape"),
        ({"terminal": np.zeros(5, bool)}, "terminal: bool of shape"),
        ({"obs": np.array(["a"] * 7)}, "obs is no plain array of numbers"),
        ({"obs": None}, "no array 'obs', only acts, lengths"),
        ({"lengths": None}, "do not say where episodes end"),
        ({"acts": np.zeros(0, np.int64)}, "no episodes"),
        ({"acts": np.array([{}] * 5)}, "acts holds Python objects: a pickle"),
    ],
)
def test_arrays_that_make_no_episodes_are_refused(tmp_path, change, message):
    arrays = {name: value for name, value in (flat() | change).items() if value is not None}
    with pytest.raises(InvalidValueError, match=message) as caught:
        read_arrays(tmp_path, **arrays)
    assert "a.npz" in caught.value.problem
    assert caught.value.remedy


def transitions(lengths=(4, 5, 3), terminal=()):
    """Flat arrays of episodes; those in `terminal` end in a terminal state."""
    made = rollout.flatten_trajectories(episodes(lengths))
    ends = np.zeros(sum(lengths), bool)
    ends[np.cumsum(lengths) - 1] = True
    terminations = np.zeros_like(ends)
    terminations[np.cumsum(lengths)[list(terminal)] - 1] = True
    arrays = {"obs": made.obs, "acts": made.acts, "next_obs": made.next_obs}
    return arrays, terminations, ends & ~terminations


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_flags_of_every_kind_mean_the_same(lengths, data):
    terminal = data.draw(st.lists(st.integers(0, len(lengths) - 1), unique=True))
    arrays, terminations, truncations = transitions(tuple(lengths), terminal)
    ends = terminations | truncations
    wanted = [index in terminal for index in range(len(lengths))]
    for flags in (
        {"terminations": terminations, "truncations": truncations},
        {"terminals": terminations, "timeouts": truncations},
        {"dones": ends, "terminations": terminations, "truncations": truncations},
        {"dones": ends, "terminations": terminations},
        {"dones": ends, "timeouts": truncations},
        {"dones": ends[:, None], "timeouts": truncations[:, None]},
        {"dones": ends.astype(float), "truncated": truncations.astype(np.uint8)},
    ):
        found = formats.read({**arrays, **flags})
        assert [len(t) for t in found] == lengths
        assert [t.terminal for t in found] == wanted
        assert np.array_equal(np.concatenate([t.obs[1:] for t in found]), arrays["next_obs"])


def test_transitions_may_come_with_lengths_starts_or_one_name_for_terminal():
    arrays, terminations, truncations = transitions(terminal=(1,))
    starts = np.append(True, (terminations | truncations)[:-1])
    for more in (
        {"lengths": [4, 5, 3], "terminal": [False, True, False]},
        {"lengths": [4, 5, 3], "dones": terminations},
        {"terminal": terminations, "truncations": truncations},
        {"terminal": terminations, "episode_starts": starts},
    ):
        found = formats.read({**arrays, **more})
        assert [(len(t), t.terminal) for t in found] == [(4, False), (5, True), (3, False)]
    with pytest.raises(InvalidValueError, match="lengths: 9 steps in all for 12 actions"):
        formats.read({**arrays, "lengths": [4, 5]})


def test_flags_that_contradict_each_other_are_refused():
    arrays, terminations, truncations = transitions(terminal=(0,))
    with pytest.raises(InvalidValueError, match="terminations and terminals contradict"):
        formats.read({**arrays, "terminals": truncations, "terminations": terminations})
    with pytest.raises(InvalidValueError, match="dones and terminations contradict"):
        formats.read({**arrays, "dones": truncations, "terminations": terminations})
    with pytest.raises(InvalidValueError, match="obs and observations contradict"):
        formats.read({**arrays, "observations": arrays["obs"] + 1})


@pytest.mark.parametrize(
    "stored",
    [
        lambda x: x.astype(np.float64) + 1e-9,
        lambda x: x.astype(np.float16).astype(np.float32),
        lambda x: x.astype(np.float16),
    ],
)
@pytest.mark.parametrize("flagged", [True, False])
def test_next_observations_of_another_precision_do_not_cut_episodes(stored, flagged):
    arrays, terminations, truncations = transitions()
    flags = {"dones": terminations, "timeouts": truncations} if flagged else {}
    found = formats.read({**arrays, "next_obs": stored(arrays["next_obs"]), **flags})
    assert [len(t) for t in found] == [4, 5, 3]
    assert {t.obs.dtype for t in found} == {np.dtype(np.float32)}


def test_next_observations_in_other_units_are_refused():
    arrays, _, truncations = transitions()
    with pytest.raises(InvalidValueError, match="next_obs is not the next row of obs in 9 of 11"):
        formats.read({**arrays, "next_obs": arrays["next_obs"] / 7, "timeouts": truncations})


@pytest.mark.parametrize("names", [("terminals", "timeouts"), ("terminations", "truncations")])
def test_without_next_observations_the_last_transition_of_each_episode_is_left_out(names):
    arrays, terminations, truncations = transitions(terminal=(1,))
    del arrays["next_obs"]
    found = formats.read({**arrays, names[0]: terminations, names[1]: truncations})
    assert [len(t) for t in found] == [3, 4, 2]
    assert not any(t.terminal for t in found)  # the terminal observation is not there
    assert np.array_equal(found[1].obs, arrays["obs"][4:9])
    assert np.array_equal(found[1].acts, arrays["acts"][4:8])


def test_an_unfinished_last_episode_is_kept_as_truncated_or_dropped():
    arrays, terminations, truncations = transitions(terminal=(0, 1))
    truncations[-1] = False
    flags = {"terminations": terminations, "truncations": truncations}
    assert [t.terminal for t in formats.read({**arrays, **flags})] == [True, True, False]
    dropped = formats.read({**arrays, **flags}, incomplete="drop")
    assert [len(t) for t in dropped] == [4, 5]
    del arrays["next_obs"]
    assert [len(t) for t in formats.read({**arrays, **flags}, incomplete="drop")] == [3, 4]
    with pytest.raises(InvalidValueError, match="incomplete=maybe is neither"):
        formats.read(arrays, incomplete="maybe")


def test_as_many_actions_as_observations_need_an_option():
    arrays = {"obs": np.zeros((2, 5, 3)), "acts": np.zeros((2, 5), int), "rews": np.ones((2, 5))}
    with pytest.raises(InvalidValueError, match="5 observations for 5 actions"):
        formats.read(arrays)
    assert [len(t) for t in formats.read(arrays, drop_last_action=True)] == [4, 4]
    flat = {name: values.reshape(10, *values.shape[2:]) for name, values in arrays.items()}
    flat["lengths"] = np.array([6, 4])
    with pytest.raises(InvalidValueError, match="obs: 10 rows, .* have 12") as caught:
        formats.read(flat)
    assert "drop_last_action=true" in caught.value.remedy
    found = formats.read(flat, drop_last_action=True)
    assert [len(t) for t in found] == [5, 3]
    assert [t.rews.sum() for t in found] == [5, 3]


@pytest.mark.parametrize("kind", [list, lambda parts: np.array(parts, dtype=object)])
def test_episodes_of_different_length_may_be_lists_or_object_arrays(kind):
    made = episodes()
    arrays = {
        "obs": kind([t.obs for t in made]),
        "acts": kind([t.acts for t in made]),
        "rews": kind([t.rews for t in made]),
        "terminal": [t.terminal for t in made],
    }
    assert list(formats.read(arrays)) == made


def test_flags_of_ragged_episodes_are_those_of_their_last_steps():
    arrays = {
        "obs": [np.zeros((3, 1)), np.zeros((4, 1))],
        "acts": [np.zeros(2), np.zeros(3)],
        "terminations": [[False, True], [False, False, False]],
    }
    assert [t.terminal for t in formats.read(arrays)] == [True, False]
    arrays["terminations"][1] = [False]
    with pytest.raises(InvalidValueError, match="episode 1: terminations: bool of shape"):
        formats.read(arrays)


def test_an_end_in_the_middle_of_a_stacked_episode_is_refused():
    arrays = {"obs": np.zeros((2, 5, 3)), "acts": np.zeros((2, 4), int), "dones": np.zeros((2, 4))}
    assert [t.terminal for t in formats.read(arrays)] == [False, False]
    arrays["dones"][1, 2] = 1
    with pytest.raises(InvalidValueError, match="episode 1, dones: it goes on after step 2"):
        formats.read(arrays)


def test_the_axis_of_a_single_environment_is_dropped():
    arrays, terminations, truncations = transitions(terminal=(1,))
    arrays |= {"acts": arrays["acts"][:, None], "rewards": np.ones(12)}
    flags = {"dones": terminations | truncations, "timeouts": truncations}
    buffer = {name: values[:, None] for name, values in (arrays | flags).items()}
    found = formats.read(buffer)
    assert [len(t) for t in found] == [4, 5, 3]
    assert [t.terminal for t in found] == [False, True, False]
    assert (found[0].obs.shape, found[0].acts.shape) == ((5, 3), (4, 1))


def test_expert_files_of_stable_baselines_2(tmp_path):
    starts = np.zeros(9, bool)
    starts[[0, 5]] = True
    obs = np.arange(18.0).reshape(9, 2)
    np.savez(
        tmp_path / "expert.npz",
        actions=np.arange(9)[:, None] % 2,
        obs=obs,
        rewards=np.ones(9),
        episode_returns=np.array([5.0, 4.0]),
        episode_starts=starts,
    )
    found = formats.read(str(tmp_path / "expert.npz"))
    assert [len(t) for t in found] == [4, 3]
    assert np.array_equal(found[1].obs, obs[5:])
    assert found[0].acts.tolist() == [0, 1, 0, 1]


def test_other_names_of_arrays_can_be_given():
    made = episodes((4,))[0]
    arrays = {"s": made.obs[None], "a": made.acts[None]}
    with pytest.raises(InvalidValueError, match="no array 'obs', only a, s"):
        formats.read(arrays)
    found = formats.read(arrays, columns={"obs": "s", "acts": "a"})
    assert np.array_equal(found[0].obs, made.obs)
    with pytest.raises(InvalidValueError, match="no array 'q', only a, s"):
        formats.read(arrays, columns={"obs": "q", "acts": "a"})


def test_what_is_not_finite_is_named():
    made = episodes((4, 3))
    made[1].obs[2, 1] = np.nan
    arrays = {"obs": [t.obs for t in made], "acts": [t.acts for t in made]}
    with pytest.raises(InvalidValueError, match="episode 1, obs: nan at step 2"):
        formats.read(arrays)


NAMES = [name for names in SYNONYMS.values() for name in names]
ARRAYS = npst.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_, np.uint8]),
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
VALUES = ARRAYS | st.lists(ARRAYS, max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5), VALUES, VALUES, st.booleans())
def test_any_arrays_make_episodes_or_a_clear_refusal(more, obs, acts, drop):
    try:
        found = formats.read({**more, "obs": obs, "acts": acts}, drop_last_action=drop)
    except AirlError as error:
        assert error.remedy
    else:
        assert len(found) and all(len(t) for t in found)
