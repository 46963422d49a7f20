"""States: what training depends on, as data that can be written down.

A state is a tree of mappings with string keys whose leaves are tensors, NumPy arrays, numbers,
texts, None, or lists of these. Leaves may share memory with what they were taken from: write them
down before training goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from torch import nn, optim

from airl_cli.errors import InvalidValueError

State = dict[str, Any]


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Turns what a state that does not fit causes into an error that says so.

    Raises:
        InvalidValueError: Instead of key, type, value and runtime errors.
    """
    try:
        yield
    except InvalidValueError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InvalidValueError(
            f"the state of the {what} does not fit this trainer: {reason[:300]}",
            "A state only fits a trainer with the settings of the one that it was taken from.",
        ) from error


# -- modules, optimisers and random generators -------------------------------------------------


def load_module(module: nn.Module, weights: Mapping[str, th.Tensor]) -> None:
    """Fills a module with weights of the same names and shapes.

    Raises:
        RuntimeError: If they are not.
    """
    module.load_state_dict(dict(weights))


def optimizer_state(optimizer: optim.Optimizer) -> State:
    """State and settings of an optimiser, keys as texts."""
    state = optimizer.state_dict()
    groups = [{k: v for k, v in group.items() if k != "params"} for group in state["param_groups"]]
    return {
        "state": {str(index): dict(entries) for index, entries in state["state"].items()},
        "groups": numbered(groups),
    }


def load_optimizer_state(optimizer: optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Puts a state back.

    Raises:
        InvalidValueError: If it is of other parameters.
    """
    template = optimizer.state_dict()
    settings = {key for group in template["param_groups"] for key in group}
    for unknown in {key for group in state["groups"].values() for key in group} - settings:
        raise InvalidValueError(f"a {type(optimizer).__name__} has no setting {unknown!r}")
    groups = [
        {**ours, **{key: _as(ours.get(key), value) for key, value in theirs.items()}}
        for ours, theirs in zip(template["param_groups"], listed(state["groups"]), strict=True)
    ]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    entries = {int(index): dict(entry) for index, entry in state["state"].items()}
    for index, entry in entries.items():
        for name, value in entry.items():
            tensor = isinstance(value, th.Tensor) and value.ndim > 0
            if tensor and value.shape != parameters[index].shape:
                raise InvalidValueError(f"{name} of parameter {index} has another shape")
    # Loading keeps tensors that are on the right device already: copy what may be a file's memory.
    copied = {
        index: {k: v.clone() if isinstance(v, th.Tensor) else v for k, v in entry.items()}
        for index, entry in entries.items()
    }
    optimizer.load_state_dict({"state": copied, "param_groups": groups})


def rng_state(rng: np.random.Generator) -> State:
    """State of a NumPy generator."""
    return dict(rng.bit_generator.state)


def load_rng_state(rng: np.random.Generator, state: Mapping[str, Any]) -> None:
    """Puts a state back; the kind of generator must be the same."""
    if state["bit_generator"] != rng.bit_generator.state["bit_generator"]:
        raise InvalidValueError(f"a {state['bit_generator']!r} is no {type(rng.bit_generator)}")
    rng.bit_generator.state = dict(state)


# -- leaves and lists --------------------------------------------------------------------------


def array(leaf: Any) -> np.ndarray:
    """A NumPy array of its own, from a leaf that may have become a tensor on its way."""
    return np.array(leaf.numpy() if isinstance(leaf, th.Tensor) else leaf)


def numbered(items: Sequence[Any] | None) -> State | None:
    """A list as a mapping with the keys "0", "1", ...; None stays None."""
    return None if items is None else {str(index): item for index, item in enumerate(items)}


def listed(items: Mapping[str, Any]) -> list[Any]:
    """What `numbered` was made of."""
    return [items[str(index)] for index in range(len(items))]


def _as(template: Any, value: Any) -> Any:
    return tuple(value) if isinstance(template, tuple) and isinstance(value, list) else value
