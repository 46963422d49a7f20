"""Limits of numbers, declared once, at the argument that they limit: `n_envs: Count = 8`.

The class or function enforces them with `check_limits`; the command line reads the same
annotations before anything is built.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from airl_cli.errors import InvalidValueError


@dataclass(frozen=True)
class Limit:
    """What a number has to be; NaN and infinity never are.

    Attributes:
        wanted: In words, such as `at least 1`.
        holds: The test.
    """

    wanted: str
    holds: Callable[[float], bool] = field(repr=False)

    def __contains__(self, value: float) -> bool:
        return math.isfinite(value) and self.holds(value)


AT_LEAST_0 = Limit("at least 0", lambda value: value >= 0)
MORE_THAN_0 = Limit("more than 0", lambda value: value > 0)
SHARE = Limit("more than 0 and at most 1", lambda value: 0 < value <= 1)
AT_LEAST_1 = Limit("at least 1", lambda value: value >= 1)
NOT_HUGE = Limit("at most 2147483647", lambda value: value < 2**31)

Count = Annotated[int, AT_LEAST_1, NOT_HUGE]
CountOrZero = Annotated[int, AT_LEAST_0, NOT_HUGE]
NonNegative = Annotated[float, AT_LEAST_0]
Positive = Annotated[float, MORE_THAN_0]
Share = Annotated[float, SHARE]
Fraction = Annotated[float, Limit("between 0 and 1", lambda value: 0 <= value <= 1)]
Members = Annotated[int, Limit("between 2 and 1000", lambda value: 2 <= value <= 1000)]
Smoothing = Annotated[float, Limit("at least 0, less than 0.5", lambda value: 0 <= value < 0.5)]
Seed = Annotated[int, Limit("between 0 and 4294967295", lambda value: 0 <= value < 2**32)]


@functools.lru_cache(maxsize=512)
def type_hints(function: Any) -> Mapping[str, Any]:
    """Type hints of a function's parameters, `Annotated` included; Any for unknown names."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # a name that only type checkers import
        names = getattr(sys.modules.get(function.__module__), "__dict__", {})
        return {key: _evaluated(h, names) for key, h in function.__annotations__.items()}


def _evaluated(hint: Any, names: dict[str, Any]) -> Any:
    try:
        return eval(hint, names) if isinstance(hint, str) else hint  # our own annotation
    except Exception:
        return Any


def broken_limit(value: Any, hint: Any) -> tuple[Any, Limit] | None:
    """The number that breaks a limit of a type hint, with the limit; None if there is none.

    Args:
        value: Of the hinted type; numbers in lists are checked one by one.
        hint: The type hint, with limits in `Annotated`.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        for limit in arguments[1:]:
            if isinstance(limit, Limit) and is_number and value not in limit:
                return value, limit
        return broken_limit(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        if any(typing.get_origin(a) is Literal and value in typing.get_args(a) for a in arguments):
            return None
        broken = (broken_limit(value, argument) for argument in arguments)
        return next((found for found in broken if found), None)
    if isinstance(value, (list, tuple)) and arguments and origin is not Literal:
        items = (broken_limit(item, arguments[0]) for item in value)
        return next((found for found in items if found), None)
    return None


def check_limits(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Checks arguments against the limits in a signature.

    Args:
        function: A function, or a class for its constructor.
        arguments: By name; a superset, such as `locals()` or `vars(self)` of a dataclass.

    Raises:
        InvalidValueError: For the first number outside its limit.
    """
    hints = type_hints(function.__init__ if inspect.isclass(function) else function)
    for name, hint in hints.items():
        if name in arguments:
            check_limit(name, arguments[name], hint)


def check_limit(name: str, value: Any, hint: Any) -> None:
    """Checks one value against the limits in a type hint.

    Raises:
        InvalidValueError: Naming the value and the limit.
    """
    broken = broken_limit(value, hint)
    if broken is not None:
        number, limit = broken
        raise InvalidValueError(
            f"{name} must be {limit.wanted}, got {number}.", f"Set {name} to such a number."
        )
