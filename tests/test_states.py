"""States as tensors and JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.serialization import join, read_tensors, split, write_tensors

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)
TREES = st.recursive(
    LEAVES, lambda inner: st.dictionaries(st.text(min_size=1), inner), max_leaves=8
)


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, float) and math.isnan(theirs):
        return math.isnan(ours)
    return type(ours) is type(theirs) and ours == theirs


@given(TREES)
def test_everything_but_tensors_survives_json_to_the_last_digit(tree: Any) -> None:
    part, tensors = split(tree)
    assert tensors == {}
    text = json.dumps(part, allow_nan=False)
    assert same(join(json.loads(text), {}), tree)


@pytest.mark.parametrize(
    "array",
    [
        *(np.arange(3.0), np.float32([[1, 2]]), np.array([True, False]), np.array(5)),
        *(np.zeros((0, 3), np.int64), np.uint8([255]), np.int32([[-1]])),
    ],
    ids=str,
)
def test_arrays_and_tensors_come_back_with_type_and_shape(
    array: np.ndarray, tmp_path: Path
) -> None:
    part, tensors = split({"a": {"b": array, "c": torch.as_tensor(array)}})
    write_tensors(tmp_path / "t", tensors)
    tree = join(json.loads(json.dumps(part)), read_tensors(tmp_path / "t"))
    for leaf in tree["a"].values():
        np.testing.assert_array_equal(leaf.numpy(), array)
        assert leaf.numpy().dtype == array.dtype


def test_tensors_that_share_memory_are_written_each(tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    write_tensors(tmp_path / "t", {"a": whole, "b": whole[:3], "c": whole.view(2, 3).T})
    found = read_tensors(tmp_path / "t")
    assert found["b"].tolist() == [0, 1, 2]
    assert found["c"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_numpy_scalars_become_numbers() -> None:
    assert split({"a": np.float64(1.5), "b": [np.int64(3)]})[0] == {"a": 1.5, "b": [3]}


def test_objects_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match="a object cannot be kept in a checkpoint: a/b"):
        split({"a": {"b": object()}})


@pytest.mark.parametrize(
    "part", [{"$tensor": "missing"}, {"$float": "7"}, [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]
)
def test_parts_that_do_not_belong_together_are_refused(part: Any) -> None:
    with pytest.raises(InvalidValueError):
        join({"a": part}, {})
