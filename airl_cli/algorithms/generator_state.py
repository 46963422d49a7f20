"""What a generator depends on beside its policy's weights, as a state."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.base_class import BaseAlgorithm, recursive_getattr
from stable_baselines3.common.buffers import ReplayBuffer
from torch import optim

from airl_cli.algorithms.relabel import RewardScale, plain_replay_buffer
from airl_cli.algorithms.rollouts import RecordingVecEnv
from airl_cli.algorithms.state import (
    State,
    array,
    listed,
    load_optimizer_state,
    load_rng_state,
    numbered,
    optimizer_state,
    rng_state,
)
from airl_cli.envs.wrappers import episode_logs, repeat_episodes
from airl_cli.errors import InvalidValueError

_COUNTERS = (
    "num_timesteps",
    "_total_timesteps",
    "_num_timesteps_at_start",
    "_episode_num",
    "_n_updates",
    "_current_progress_remaining",
)


def generator_state(
    algorithm: BaseAlgorithm, recorder: RecordingVecEnv, scale: RewardScale
) -> State:
    """Optimisers, counters, buffers and open episodes of a generator; not its policy's weights.

    Taken between rounds, when the rollout buffer holds nothing that is still needed. Statistics
    of a `VecNormalize` around the environment are not part of it.
    """
    last_obs = recorder.last_observation()
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
            "logs": numbered(episode_logs(recorder.venv)) if last_obs is not None else None,
        },
        "recent": {
            "episodes": [_numbers(info) for info in algorithm.ep_info_buffer or ()],
            "successes": [float(success) for success in algorithm.ep_success_buffer or ()],
        },
        "replay_buffer": _replay_state(plain_replay_buffer(algorithm)),
        "action_rng": rng_state(algorithm.action_space.np_random),
        "scale": scale.state_dict(),
    }


def load_generator_state(
    algorithm: BaseAlgorithm,
    recorder: RecordingVecEnv,
    scale: RewardScale,
    state: Mapping[str, Any],
) -> bool:
    """Restores a state.

    Returns:
        Whether the open episodes were restored. False: these environments cannot be restored, and
        new episodes have begun.
    """
    for name in _COUNTERS:
        if hasattr(algorithm, name):
            setattr(algorithm, name, state["counters"][name])
    for name, optimizer in _optimizers(algorithm):
        load_optimizer_state(optimizer, state["optimizers"][name])
    with th.no_grad():
        for name, tensor in _variables(algorithm):
            if name == "ent_coef_tensor" and name not in state["variables"]:
                continue  # a checkpoint of 0.1, in which it was tuned
            tensor.copy_(_tensor_like(tensor, state["variables"][name]))
    _load_recent(algorithm, state["recent"])
    _load_replay_state(plain_replay_buffer(algorithm), state["replay_buffer"])
    restored = _load_episodes(algorithm, recorder, state)
    load_rng_state(algorithm.action_space.np_random, state["action_rng"])
    scale.load_state_dict(state["scale"])
    return restored


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


def _load_episodes(
    algorithm: BaseAlgorithm, recorder: RecordingVecEnv, state: Mapping[str, Any]
) -> bool:
    if state["last_obs"] is None:
        return True
    shown, logs = array(state["episodes"]["shown"]), state["episodes"]["logs"]
    if logs is not None:
        logs = [{**log, "actions": array(log["actions"])} for log in listed(logs)]
    if repeat_episodes(recorder.venv, logs, shown):
        algorithm._last_obs = array(state["last_obs"])
        algorithm._last_episode_starts = array(state["last_episode_starts"])
        recorder.resume_from(shown)
        return True
    assert algorithm.env is not None
    algorithm._last_obs = algorithm.env.reset()  # type: ignore[assignment]
    algorithm._last_episode_starts = np.ones(recorder.num_envs, dtype=bool)
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


# -- leaves ------------------------------------------------------------------------------------


def _tensor_like(tensor: th.Tensor, leaf: th.Tensor) -> th.Tensor:
    if leaf.shape != tensor.shape:
        raise InvalidValueError(f"shape {tuple(leaf.shape)} instead of {tuple(tensor.shape)}")
    return leaf


def _numbers(info: Mapping[str, Any]) -> dict[str, float]:
    numeric = (int, float, np.number)
    return {name: float(value) for name, value in info.items() if isinstance(value, numeric)}
