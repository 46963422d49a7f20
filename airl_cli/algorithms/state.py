"""What a generator depends on beside its weights, as data that can be written down.

A state is a tree of mappings with string keys whose leaves are tensors, NumPy arrays, numbers,
texts, None, or lists of these. Leaves may share memory with what they were taken from: write them
down before training goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm, recursive_getattr
from stable_baselines3.common.buffers import ReplayBuffer
from torch import nn, optim

from airl_cli.algorithms.generator import Generator
from airl_cli.envs.episodes import episode_logs, repeat_episodes
from airl_cli.errors import InvalidValueError

State = dict[str, Any]

_COUNTERS = (
    "num_timesteps",
    "_total_timesteps",
    "_num_timesteps_at_start",
    "_episode_num",
    "_n_updates",
    "_current_progress_remaining",
)


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


# -- the generator -----------------------------------------------------------------------------


def generator_state(generator: Generator) -> State:
    """Optimisers, counters, buffers and open episodes of a generator; not its policy's weights.

    Taken between rounds, when the rollout buffer holds nothing that is still needed. Statistics
    of a `VecNormalize` around the environment are not part of it.
    """
    algorithm = generator.algorithm
    last_obs = generator.venv_wrapped.last_observation()
    return {
        "counters": {name: getattr(algorithm, name, None) for name in _COUNTERS},
        "optimizers": {
            name: optimizer_state(optimizer) for name, optimizer in _optimizers(algorithm)
        },
        "variables": {name: tensor.detach() for name, tensor in _variables(algorithm)},
        "last_obs": algorithm._last_obs,
        "last_episode_starts": algorithm._last_episode_starts,
        "episodes": {
            "shown": last_obs,
            "logs": _numbered(episode_logs(generator.venv)) if last_obs is not None else None,
        },
        "recent": {
            "episodes": [_numbers(info) for info in algorithm.ep_info_buffer or ()],
            "successes": [float(success) for success in algorithm.ep_success_buffer or ()],
        },
        "replay_buffer": _replay_state(getattr(algorithm, "replay_buffer", None)),
        "action_rng": rng_state(algorithm.action_space.np_random),
        "scale": generator.scale.state_dict(),
    }


def load_generator_state(generator: Generator, state: Mapping[str, Any]) -> bool:
    """Puts a state back.

    Returns:
        Whether the open episodes go on where they were. False: these environments cannot be
        brought back, and new episodes have begun.
    """
    algorithm = generator.algorithm
    for name in _COUNTERS:
        if hasattr(algorithm, name):
            setattr(algorithm, name, state["counters"][name])
    for name, optimizer in _optimizers(algorithm):
        load_optimizer_state(optimizer, state["optimizers"][name])
    with th.no_grad():
        for name, tensor in _variables(algorithm):
            tensor.copy_(_tensor_like(tensor, state["variables"][name]))
    _load_recent(algorithm, state["recent"])
    _load_replay_state(getattr(algorithm, "replay_buffer", None), state["replay_buffer"])
    continued = _load_episodes(generator, state)
    load_rng_state(algorithm.action_space.np_random, state["action_rng"])
    generator.scale.load_state_dict(state["scale"])
    return continued


def _optimizers(algorithm: BaseAlgorithm) -> Iterator[tuple[str, optim.Optimizer]]:
    for name in algorithm._get_torch_save_params()[0]:
        found = recursive_getattr(algorithm, name)
        if isinstance(found, optim.Optimizer):
            yield name, found


def _variables(algorithm: BaseAlgorithm) -> Iterator[tuple[str, th.Tensor]]:
    """Trained tensors that belong to no module, such as SAC's entropy coefficient."""
    for name in algorithm._get_torch_save_params()[1]:
        yield name, recursive_getattr(algorithm, name)


def _load_recent(algorithm: BaseAlgorithm, recent: Mapping[str, Any]) -> None:
    limit = algorithm._stats_window_size
    algorithm.ep_info_buffer = deque(map(dict, recent["episodes"]), maxlen=limit)
    algorithm.ep_success_buffer = deque(recent["successes"], maxlen=limit)


def _load_episodes(generator: Generator, state: Mapping[str, Any]) -> bool:
    algorithm, recorder = generator.algorithm, generator.venv_wrapped
    if state["last_obs"] is None:
        return True
    shown, logs = array(state["episodes"]["shown"]), state["episodes"]["logs"]
    if logs is not None:
        names = [str(i) for i in range(len(logs))]
        logs = [{**logs[name], "actions": array(logs[name]["actions"])} for name in names]
    if repeat_episodes(generator.venv, logs, shown):
        algorithm._last_obs = array(state["last_obs"])
        algorithm._last_episode_starts = array(state["last_episode_starts"])
        recorder.go_on_from(shown)
        return True
    assert algorithm.env is not None
    algorithm._last_obs = algorithm.env.reset()  # type: ignore[assignment]
    algorithm._last_episode_starts = np.ones(generator.venv.num_envs, dtype=bool)
    return False


# -- replay buffers ----------------------------------------------------------------------------


def _replay_state(buffer: ReplayBuffer | None) -> State | None:
    """The rows of a replay buffer that hold something, and where the next one goes."""
    if buffer is None:
        return None
    # With optimize_memory_usage the newest next observation lies one row ahead.
    rows = len(buffer.rewards) if buffer.full else min(buffer.pos + 1, len(buffer.rewards))
    columns = {name: column[:rows] for name, column in _columns(buffer)}
    return {"pos": int(buffer.pos), "full": bool(buffer.full), "columns": columns}


def _load_replay_state(buffer: ReplayBuffer | None, state: Mapping[str, Any] | None) -> None:
    if buffer is None or state is None:
        if (buffer is None) != (state is None):
            raise InvalidValueError("only one of state and generator has a replay buffer")
        return
    pos = int(state["pos"])
    if not 0 <= pos < max(1, len(buffer.rewards)):
        raise InvalidValueError(f"row {pos} is outside of the replay buffer")
    for name, column in _columns(buffer):
        stored = array(state["columns"][name])
        if stored.shape[1:] != column.shape[1:] or stored.dtype != column.dtype:
            raise InvalidValueError(f"{name} of the replay buffer has another form")
        column[: len(stored)] = stored
    buffer.pos, buffer.full = pos, bool(state["full"])


def _columns(buffer: ReplayBuffer) -> Iterator[tuple[str, np.ndarray]]:
    for name, column in sorted(vars(buffer).items()):
        if isinstance(column, np.ndarray) and len(column) == len(buffer.rewards):
            yield name, column


# -- optimisers and random generators ----------------------------------------------------------


def optimizer_state(optimizer: optim.Optimizer) -> State:
    """State and settings of an optimiser, keys as texts."""
    state = optimizer.state_dict()
    groups = [{k: v for k, v in group.items() if k != "params"} for group in state["param_groups"]]
    return {
        "state": {str(index): dict(entries) for index, entries in state["state"].items()},
        "groups": _numbered(groups),
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
        for ours, theirs in zip(template["param_groups"], _listed(state["groups"]), strict=True)
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


# -- leaves ------------------------------------------------------------------------------------


def array(leaf: Any) -> np.ndarray:
    """A NumPy array of its own, from a leaf that may have become a tensor on its way."""
    return np.array(leaf.numpy() if isinstance(leaf, th.Tensor) else leaf)


def load_module(module: nn.Module, weights: Mapping[str, th.Tensor]) -> None:
    """Fills a module with weights of the same names and shapes.

    Raises:
        RuntimeError: If they are not.
    """
    module.load_state_dict(dict(weights))


def _tensor_like(tensor: th.Tensor, leaf: th.Tensor) -> th.Tensor:
    if leaf.shape != tensor.shape:
        raise InvalidValueError(f"shape {tuple(leaf.shape)} instead of {tuple(tensor.shape)}")
    return leaf


def _numbers(info: Mapping[str, Any]) -> dict[str, float]:
    numeric = (int, float, np.number)
    return {name: float(value) for name, value in info.items() if isinstance(value, numeric)}


def _numbered(items: Sequence[Any] | None) -> State | None:
    return None if items is None else {str(index): item for index, item in enumerate(items)}


def _listed(items: Mapping[str, Any]) -> list[Any]:
    return [items[str(index)] for index in range(len(items))]


def _as(template: Any, value: Any) -> Any:
    return tuple(value) if isinstance(template, tuple) and isinstance(value, list) else value
