"""Spaces as JSON, as text for messages, and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.spaces import Space

from airl_cli.errors import InvalidTypeError, InvalidValueError

MAX_ELEMENTS = 2**24
"""Largest number of elements of a space that is read from a file (a guard against bad files)."""
MAX_DIMENSIONS = 8
_DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64") + (
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)


def space_to_dict(space: Space[Any]) -> dict[str, Any]:
    """A JSON-able description from which `space_from_dict` makes an equal space.

    Infinite bounds become the strings `"inf"` and `"-inf"` (JSON has no infinity); bounds that are
    the same everywhere become one number.

    Raises:
        InvalidTypeError: For spaces other than Box, Discrete, MultiDiscrete and MultiBinary.
    """
    if isinstance(space, spaces.Box):
        return {
            "type": "Box",
            "shape": list(space.shape),
            "dtype": str(np.dtype(space.dtype)),
            "low": _bounds_to_json(space.low),
            "high": _bounds_to_json(space.high),
        }
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        return {
            "type": "MultiDiscrete",
            "nvec": space.nvec.tolist(),
            "start": np.broadcast_to(space.start, space.nvec.shape).tolist(),
            "dtype": str(np.dtype(space.dtype)),
        }
    if isinstance(space, spaces.MultiBinary):
        return {"type": "MultiBinary", "shape": list(space.shape)}
    raise InvalidTypeError(
        f"spaces of type {type(space).__name__} are not supported.",
        "Use Box, Discrete, MultiDiscrete or MultiBinary; "
        "gymnasium.wrappers.FlattenObservation makes a Box of a Dict or Tuple observation.",
    )


def space_from_dict(data: Mapping[str, Any]) -> Space[Any]:
    """The space that `space_to_dict` described; everything in `data` is checked.

    Raises:
        InvalidValueError: If `data` does not describe a supported space of reasonable size.
    """
    if not isinstance(data, Mapping):
        raise _invalid(f"a {type(data).__name__} instead of a mapping")
    kind = data.get("type")
    if not isinstance(kind, str) or kind not in _READERS:
        raise _invalid(f"unknown type {kind!r}; known are {', '.join(_READERS)}")
    reader, keys = _READERS[kind]
    if set(data) != keys:
        raise _invalid(f"{kind} has keys {sorted(map(str, data))} instead of {sorted(keys)}")
    return reader(data)


def describe(space: Space[Any]) -> str:
    """Short text for messages, such as `Box of shape (3,), float32, within [-1, 1]`."""
    if isinstance(space, spaces.Box):
        text = f"Box of shape {space.shape}, {space.dtype}"
        if not space.low.size:
            return text
        return f"{text}, within [{float(space.low.min()):.4g}, {float(space.high.max()):.4g}]"
    if isinstance(space, spaces.Discrete):
        start = f", starting at {space.start}" if space.start else ""
        return f"Discrete with {space.n} values{start}"
    if isinstance(space, spaces.MultiDiscrete):
        return f"MultiDiscrete with {space.nvec.tolist()} values"
    if isinstance(space, spaces.MultiBinary):
        return f"MultiBinary of shape {space.shape}"
    return type(space).__name__


def same_space(a: Space[Any], b: Space[Any]) -> bool:
    """Whether what fits one space fits the other.

    Float precision is ignored: `airl_cli.envs` casts float64 observations to float32, so a space
    may have been written down before or after that.
    """
    if isinstance(a, spaces.Box) and isinstance(b, spaces.Box):
        kinds = np.dtype(a.dtype).kind, np.dtype(b.dtype).kind
        if a.shape != b.shape or kinds[0] != kinds[1]:
            return False
        return _same_bounds(a.low, b.low) and _same_bounds(a.high, b.high)
    return bool(a == b)


def _same_bounds(a: np.ndarray, b: np.ndarray) -> bool:
    if np.dtype(a.dtype).kind == "f":
        with np.errstate(over="ignore"):  # float64's largest number becomes float32's infinity
            a, b = a.astype(np.float32), b.astype(np.float32)
    return bool(np.array_equal(a, b))


def _bounds_to_json(bounds: np.ndarray) -> Any:
    flat = [_number_to_json(value) for value in bounds.ravel().tolist()]
    if flat and flat.count(flat[0]) == len(flat):
        return flat[0]
    return flat


def _number_to_json(value: float | int | bool) -> float | int | str:
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def _box(data: Mapping[str, Any]) -> spaces.Box:
    shape, dtype = _shape(data["shape"]), _dtype(data["dtype"])
    low, high = (_bounds(data[name], shape, dtype, name) for name in ("low", "high"))
    if not bool(np.all(low <= high)):
        raise _invalid("Box with a lower bound above the upper one")
    return spaces.Box(low=low, high=high, shape=shape, dtype=dtype.type)


def _discrete(data: Mapping[str, Any]) -> spaces.Discrete:
    n = _integer(data["n"], "n", minimum=1)
    return spaces.Discrete(n, start=_integer(data["start"], "start"))


def _multi_discrete(data: Mapping[str, Any]) -> spaces.MultiDiscrete:
    dtype = _dtype(data["dtype"])
    if dtype.kind not in "iu":
        raise _invalid(f"MultiDiscrete with dtype {dtype}")
    nvec, start = (_integers(data[name], name, dtype) for name in ("nvec", "start"))
    if nvec.shape != start.shape or nvec.size == 0 or bool(np.any(nvec < 1)):
        raise _invalid("MultiDiscrete with an nvec that is empty, below 1 or unlike its start")
    return spaces.MultiDiscrete(nvec, dtype=dtype.type, start=start)


def _multi_binary(data: Mapping[str, Any]) -> spaces.MultiBinary:
    shape = _shape(data["shape"])
    if not shape or 0 in shape:
        raise _invalid("MultiBinary without elements")
    return spaces.MultiBinary(shape[0] if len(shape) == 1 else list(shape))


_READERS = {
    "Box": (_box, {"type", "shape", "dtype", "low", "high"}),
    "Discrete": (_discrete, {"type", "n", "start"}),
    "MultiDiscrete": (_multi_discrete, {"type", "nvec", "start", "dtype"}),
    "MultiBinary": (_multi_binary, {"type", "shape"}),
}


def _invalid(problem: str) -> InvalidValueError:
    return InvalidValueError(
        f"invalid description of a space: {problem}.",
        "The file is damaged or was not written by airl-cli.",
    )


def _integer(value: Any, name: str, minimum: int = -(2**63)) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value < 2**63:
        raise _invalid(f"{name} is {value!r:.80}")
    return value


def _shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)) or len(value) > MAX_DIMENSIONS:
        raise _invalid(f"shape is {value!r:.80}")
    shape = tuple(_integer(size, "a size in the shape", minimum=0) for size in value)
    if math.prod(shape) > MAX_ELEMENTS:
        raise _invalid(f"shape {shape} has more than {MAX_ELEMENTS} elements")
    return shape


def _dtype(value: Any) -> np.dtype[Any]:
    if value not in _DTYPES:
        raise _invalid(f"dtype is {value!r:.80}")
    return np.dtype(value)


def _integers(value: Any, name: str, dtype: np.dtype[Any]) -> np.ndarray:
    try:
        array = np.array(value)
    except ValueError as error:  # ragged
        raise _invalid(f"{name} is {value!r:.80}") from error
    if array.dtype.kind not in "iu" or array.ndim > MAX_DIMENSIONS or array.size > MAX_ELEMENTS:
        raise _invalid(f"{name} is {value!r:.80}")
    limits = np.iinfo(dtype)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise _invalid(f"{name} does not fit {dtype}")
    return array.astype(dtype)


def _bounds(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> np.ndarray:
    numbers = value if isinstance(value, list) else [value] * math.prod(shape)
    if len(numbers) != math.prod(shape):
        raise _invalid(f"{len(numbers)} {name} bounds for shape {shape}")
    parsed = [_bound(number, dtype, name) for number in numbers]
    try:
        with np.errstate(over="ignore"):
            return np.array(parsed, dtype=dtype).reshape(shape)
    except (OverflowError, ValueError) as error:
        raise _invalid(f"a {name} bound does not fit {dtype}") from error


def _bound(value: Any, dtype: np.dtype[Any], name: str) -> float | int:
    if dtype.kind == "f":
        if value in ("inf", "-inf"):
            return float(value)
        wanted: tuple[type, ...] = (int, float)
    else:
        wanted = (bool,) if dtype.kind == "b" else (int,)
    # type(), because a bool is an int to isinstance
    if type(value) in wanted and -math.inf < value < math.inf:
        return value
    raise _invalid(f"{name} bound is {value!r:.80}")
