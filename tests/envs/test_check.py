import pytest

from airl_cli.envs import check_fixed_horizon
from airl_cli.errors import InvalidValueError


@pytest.mark.parametrize("lengths", [[], [5], [200, 200, 200]])
def test_equal_lengths_pass(lengths):
    check_fixed_horizon(lengths, allow_variable_horizon=False, what="the episodes")


def test_different_lengths_are_refused_with_reason_and_ways_out():
    with pytest.raises(InvalidValueError) as caught:
        check_fixed_horizon(
            iter([500, 12, 70]), allow_variable_horizon=False, what="the random policy's episodes"
        )
    assert "the random policy's episodes differ in length (from 12 to 500 steps)" in str(
        caught.value
    )
    assert "staying alive" in caught.value.problem
    assert "trainer.allow_variable_horizon=true" in caught.value.remedy
    assert "fixed horizon" in caught.value.remedy


def test_different_lengths_pass_when_allowed():
    check_fixed_horizon([1, 2], allow_variable_horizon=True, what="the episodes")
