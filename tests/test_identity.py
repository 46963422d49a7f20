"""Equal settings have equal descriptions, different ones different ones."""

from collections import OrderedDict
from functools import partial
from types import MappingProxyType

import numpy as np
import pytest
import torch

from airl_cli.errors import InvalidTypeError
from airl_cli.identity import describe, short_hash, source_digest


class Schedule:
    def __init__(self, start: float) -> None:
        self.start = start


def test_containers_and_numbers_become_json() -> None:
    value = {"a": (1, 2.5, None), "b": np.float64(2), "c": np.arange(2), "d": {"y", "x"}}
    expected = {"a": [1, 2.5, None], "b": 2.0, "c": [0, 1], "d": ["x", "y"]}
    assert describe(MappingProxyType(value)) == expected
    assert describe(OrderedDict(value)) == expected


def test_classes_functions_partials_and_objects_are_named() -> None:
    assert describe(torch.nn.Tanh) == "torch.nn.modules.activation.Tanh"
    assert describe(short_hash) == "airl_cli.identity.short_hash"
    assert describe(partial(torch.nn.ELU, alpha=2.0)) == {
        "call": "torch.nn.modules.activation.ELU",
        "args": [],
        "kwargs": {"alpha": 2.0},
    }
    assert describe(Schedule(1.0)) != describe(Schedule(2.0))
    assert describe(Schedule(1.0)) == describe(Schedule(1.0))


def test_what_has_no_lasting_name_is_refused() -> None:
    def local() -> None: ...

    for value in (local, lambda: 0, object()):
        with pytest.raises(InvalidTypeError, match="cannot be part of the settings"):
            describe({"key": value})


def test_the_hash_ignores_the_order_of_keys_only() -> None:
    assert short_hash({"a": 1, "b": 2}) == short_hash({"b": 2, "a": 1})
    assert short_hash({"a": [1, 2]}) != short_hash({"a": [2, 1]})
    assert len(short_hash({})) == 12


def test_installed_classes_have_no_source_digest_and_own_ones_do() -> None:
    assert source_digest(torch.nn.Tanh(), np.zeros(1)) is None
    assert source_digest(Schedule(1.0)) == source_digest(Schedule(2.0))
    assert len(source_digest(Schedule(1.0)) or "") == 12
