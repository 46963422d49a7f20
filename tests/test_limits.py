"""Limits of numbers, declared at the argument."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.experts.base import Sampling
from airl_cli.limits import Count, Fraction, Positive, broken_limit, check_limit, check_limits
from airl_cli.limits import type_hints as hints_of

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (Count, [1, 2**31 - 1, True, "x", None], [0, -1, 2**31]),
        (Positive, [1e-9, 1], [0, -1.0, math.nan, math.inf]),
        (Fraction | None, [0, 1, 0.5, None], [-0.1, 1.1, math.nan]),
        (Literal[-1] | Count, [-1, 1], [0, -2]),
        (Sequence[Count], [[], [1, 2]], [[1, 0]]),
        (Sequence[Count] | None, [None, [3]], [[-1]]),
        (float | Callable[[float], float], [-1, math.nan], []),
    ],
    ids=str,
)
def test_numbers_outside_a_limit_are_found(hint: Any, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if broken_limit(value, hint)] == []
    assert [value for value in bad if not broken_limit(value, hint)] == []


def test_the_message_names_argument_limit_and_number() -> None:
    with pytest.raises(InvalidValueError, match="^sizes must be at least 1, got 0"):
        check_limit("sizes", [3, 0], Sequence[Count])


def test_a_signature_is_checked_by_name() -> None:
    def function(a: Count, b: Fraction = 0.5, c: int = -3) -> None:
        """Nothing."""

    check_limits(function, {"a": 1, "b": 1.0, "c": -3, "other": math.nan})
    with pytest.raises(InvalidValueError, match=r"^b must be between 0 and 1, got 2"):
        check_limits(function, {"a": 1, "b": 2})


def test_names_that_only_type_checkers_know_do_not_hide_the_limits_of_others() -> None:
    def function(a: "Unknown", b: "Count") -> None:
        """Nothing."""

    assert hints_of(function)["a"] is Any
    with pytest.raises(InvalidValueError, match="^b must be"):
        check_limits(function, {"a": 1, "b": 0})


def test_classes_of_the_library_enforce_their_limits() -> None:
    with pytest.raises(InvalidValueError, match="^n_envs must be at least 1"):
        EnvSpec("x", n_envs=0)
    with pytest.raises(InvalidValueError, match="^noise must be between 0 and 1, got 2"):
        Sampling(n_episodes=1, noise=2)

    @dataclass
    class Data:
        size: Count

        def __post_init__(self) -> None:
            check_limits(type(self), vars(self))

    with pytest.raises(InvalidValueError, match="^size must be"):
        Data(0)
