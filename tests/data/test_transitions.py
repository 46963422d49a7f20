import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airl_cli.data import rollout
from airl_cli.data.transitions import subsample, subsample_indices
from airl_cli.errors import InvalidValueError
from support.demos import episodes


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 12), st.integers(0, 99))
def test_of_each_episode_every_kth_transition_is_kept(lengths, every, seed):
    index = subsample_indices(np.array(lengths), every, np.random.default_rng(seed))
    starts = np.cumsum([0, *lengths])
    for start, stop, length in zip(starts, starts[1:], lengths, strict=False):
        steps = index[(index >= start) & (index < stop)] - start
        assert len(steps) >= 1
        assert steps[0] < every
        assert (np.diff(steps) == every).all()
        assert steps[-1] + every >= length  # none is forgotten at the end


def test_triples_stay_together():
    whole = rollout.flatten_trajectories(episodes((9, 12)))
    thin = subsample(episodes((9, 12)), 4, np.random.default_rng(0))
    assert len(thin) < len(whole) / 3
    pairs = {(o.tobytes(), n.tobytes()) for o, n in zip(whole.obs, whole.next_obs, strict=True)}
    assert {(o.tobytes(), n.tobytes()) for o, n in zip(thin.obs, thin.next_obs, strict=True)} <= (
        pairs
    )


def test_one_keeps_everything_and_zero_is_refused():
    whole = rollout.flatten_trajectories(episodes())
    assert subsample(episodes(), 1, np.random.default_rng(0)) == whole
    with pytest.raises(InvalidValueError, match="subsample must be at least 1, got 0"):
        subsample(episodes(), 0, np.random.default_rng(0))


def test_the_first_transition_kept_depends_on_the_draw():
    firsts = {
        int(subsample_indices(np.array([20]), 5, np.random.default_rng(s))[0]) for s in range(40)
    }
    assert firsts == {0, 1, 2, 3, 4}
