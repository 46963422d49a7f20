import json

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from airl_cli.data.spaces import describe, same_space, space_from_dict, space_to_dict
from airl_cli.errors import InvalidTypeError, InvalidValueError


@st.composite
def boxes(draw):
    dtype = draw(st.sampled_from([np.float32, np.float64, np.uint8, np.int64]))
    shape = draw(npst.array_shapes(min_dims=0, max_dims=3, max_side=4))
    if np.dtype(dtype).kind == "f":
        elements = st.floats(width=32, allow_nan=False)
    else:
        elements = st.integers(0, 255)
    a, b = (draw(npst.arrays(dtype, shape, elements=elements)) for _ in range(2))
    low, high = np.asarray(np.minimum(a, b)), np.asarray(np.maximum(a, b))  # () would give scalars
    return spaces.Box(low, high, shape, dtype)


DISCRETE = st.builds(
    lambda n, start: spaces.Discrete(n, start=start), st.integers(1, 1000), st.integers(-9, 9)
)
MULTI_DISCRETE = st.builds(
    lambda nvec, start: spaces.MultiDiscrete(nvec, start=np.full_like(nvec, start)),
    npst.arrays(np.int64, npst.array_shapes(max_dims=2), elements=st.integers(1, 50)),
    st.integers(-3, 3),
)
MULTI_BINARY = st.builds(
    spaces.MultiBinary,
    st.integers(1, 20) | st.lists(st.integers(1, 4), min_size=2, max_size=3),
)


@settings(max_examples=100, deadline=None)
@given(boxes() | DISCRETE | MULTI_DISCRETE | MULTI_BINARY)
def test_a_space_survives_json(space):
    text = json.dumps(space_to_dict(space), allow_nan=False)
    again = space_from_dict(json.loads(text))
    assert again == space
    assert again.dtype == space.dtype
    assert same_space(again, space)
    assert describe(again)


def test_infinite_and_uniform_bounds_are_short():
    data = space_to_dict(spaces.Box(-np.inf, 1.5, (84, 84), np.float32))
    assert (data["low"], data["high"]) == ("-inf", 1.5)
    mixed = space_to_dict(spaces.Box(np.array([0, -np.inf]), np.array([1, 1]), dtype=np.float64))
    assert mixed["low"] == [0.0, "-inf"]


@pytest.mark.parametrize(
    "space", [spaces.Dict(a=spaces.Discrete(2)), spaces.Tuple([spaces.Discrete(2)]), spaces.Text(3)]
)
def test_other_spaces_are_refused_with_a_way_out(space):
    with pytest.raises(InvalidTypeError, match="FlattenObservation"):
        space_to_dict(space)


BOX = {"type": "Box", "shape": [2], "dtype": "float32", "low": -1.0, "high": "inf"}
MULTI = {"type": "MultiDiscrete", "nvec": [2, 3], "start": [0, 0], "dtype": "int64"}


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        {"type": ["Box"]},
        {"type": "Dict"},
        {"type": "Discrete", "n": 3},
        {"type": "Discrete", "n": 3, "start": 0, "more": 1},
        {"type": "Discrete", "n": 0, "start": 0},
        {"type": "Discrete", "n": True, "start": 0},
        {"type": "Discrete", "n": 2.0, "start": 0},
        {"type": "Discrete", "n": 2**70, "start": 0},
        {"type": "MultiBinary", "shape": []},
        {"type": "MultiBinary", "shape": [0]},
        {"type": "MultiBinary", "shape": [10**9]},
        {"type": "MultiBinary", "shape": [1] * 30},
        MULTI | {"nvec": []},
        MULTI | {"nvec": [2, 0]},
        MULTI | {"nvec": [2, 3, 4]},
        MULTI | {"nvec": [[2], [3, 4]]},
        MULTI | {"nvec": [2.5, 3]},
        MULTI | {"dtype": "float32"},
        MULTI | {"dtype": "int8", "nvec": [2, 300]},
        BOX | {"shape": "2"},
        BOX | {"shape": [-2]},
        BOX | {"shape": [10**5, 10**5]},
        BOX | {"dtype": "object"},
        BOX | {"dtype": ["float32"]},
        BOX | {"low": float("nan")},
        BOX | {"low": float("inf")},
        BOX | {"low": "-1"},
        BOX | {"low": None},
        BOX | {"low": True},
        BOX | {"low": [0.0]},
        BOX | {"low": [0.0, [0.0]]},
        BOX | {"low": 2.0, "high": 1.0},
        BOX | {"dtype": "uint8", "low": 0.5, "high": 1},
        BOX | {"dtype": "uint8", "low": 0, "high": 256},
        BOX | {"dtype": "uint8", "low": -1, "high": 255},
        BOX | {"low": 10**400},
    ],
)
def test_descriptions_that_do_not_describe_a_space_are_refused(data):
    with pytest.raises(InvalidValueError, match="invalid description of a space"):
        space_from_dict(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(
        [BOX, MULTI, {"type": "Discrete", "n": 2, "start": 0}, {"type": "MultiBinary", "shape": 2}]
    ),
    st.data(),
)
def test_any_json_in_a_description_is_a_space_or_a_clear_error(template, data):
    key = data.draw(st.sampled_from(sorted(template)))
    changed = template | {key: data.draw(JSON)}
    try:
        space = space_from_dict(changed)
    except InvalidValueError:
        return
    assert same_space(space_from_dict(space_to_dict(space)), space)


def test_same_space_ignores_precision_and_nothing_else():
    double = spaces.Box(-np.inf, 0.1, (2,), np.float64)
    assert same_space(double, spaces.Box(-np.inf, 0.1, (2,), np.float32))
    assert same_space(
        spaces.Box(-np.finfo(np.float64).max, 0.1, (2,), np.float64),
        spaces.Box(-np.inf, np.float32(0.1), (2,), np.float32),
    )
    assert not same_space(double, spaces.Box(-np.inf, 0.2, (2,), np.float64))
    assert not same_space(double, spaces.Box(-np.inf, 0.1, (3,), np.float64))
    assert not same_space(spaces.Box(0, 1, (2,), np.uint8), spaces.Box(0, 1, (2,), np.float32))
    assert not same_space(spaces.Discrete(2), spaces.Discrete(2, start=1))
    assert not same_space(spaces.Discrete(2), double)


def test_descriptions_for_messages_name_what_matters():
    assert describe(spaces.Box(-2, 2, (3,), np.float32)) == (
        "Box of shape (3,), float32, within [-2, 2]"
    )
    assert describe(spaces.Discrete(4)) == "Discrete with 4 values"
    assert describe(spaces.Discrete(4, start=1)) == "Discrete with 4 values, starting at 1"
    assert "within [0, 255]" in describe(spaces.Box(0, 255, (4, 4, 3), np.uint8))
    assert describe(spaces.Box(0, 1, (0,), np.float32)) == "Box of shape (0,), float32"
    assert "[2, 3]" in describe(spaces.MultiDiscrete([2, 3]))
    assert "(4,)" in describe(spaces.MultiBinary(4))
    assert describe(spaces.Dict()) == "Dict"
