"""What a trainer learned, in a folder that `airl_cli.load_run` and `load_reward` read.

Nothing is pickled: weights are safetensors, and reward net and policy are described by the names
of their classes and the arguments that they were constructed with.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stable_baselines3.common.base_class import BaseAlgorithm

from airl_cli.data.spaces import space_to_dict
from airl_cli.errors import InvalidValueError
from airl_cli.files import atomic_folder
from airl_cli.rewards import RewardNet
from airl_cli.serialization import (
    CONFIG,
    FINAL_WEIGHTS,
    POLICY_WEIGHTS,
    RESULT,
    REWARD_WEIGHTS,
    SPACES,
    save_weights,
    write_json,
)

if TYPE_CHECKING:
    from airl_cli.algorithms.adversarial import AdversarialTrainer

_PLACES = {
    "airl_cli.rewards": "airl_cli.rewards",
    "airl_cli.features": "airl_cli.features",
    "airl_cli.generators": "airl_cli.generators",
    "airl_cli.policies": "airl_cli.policies",
    "stable_baselines3.common.torch_layers": "stable_baselines3.common.torch_layers",
    "stable_baselines3": "stable_baselines3",
    "sb3_contrib": "sb3_contrib",
    "torch.nn": "torch.nn",
    "torch.optim": "torch.optim",
}
"""Packages by the beginning of a class's module, the more special ones first; and how to name
their classes."""

_NOT_OF_THE_POLICY = ("env", "seed", "verbose", "device", "tensorboard_log", "policy_kwargs")


def save_trainer(trainer: AdversarialTrainer, path: str | Path) -> None:
    """See `AdversarialTrainer.save`."""
    net, algorithm = trainer.reward_net, trainer.gen_algo
    config = {
        "seed": algorithm.seed or 0,
        "trainer": {"_target_": f"airl_cli.algorithms.{_kind(trainer)}", "_partial_": True},
        "reward": _net_node(net),
        "generator": _generator_node(algorithm),
    }
    spaces = {
        "observation_space": space_to_dict(trainer.venv.observation_space),
        "action_space": space_to_dict(trainer.venv.action_space),
    }
    with atomic_folder(path) as folder:
        weights = folder / FINAL_WEIGHTS
        weights.mkdir(parents=True)
        write_json(folder / CONFIG, config)
        write_json(folder / SPACES, spaces)
        write_json(folder / RESULT, trainer.learned_facts())
        save_weights(trainer.policy, weights / POLICY_WEIGHTS)
        save_weights(net, weights / REWARD_WEIGHTS)


def _kind(trainer: AdversarialTrainer) -> str:
    for cls in type(trainer).__mro__:
        if cls.__name__ in ("AIRL", "GAIL") and cls.__module__.startswith("airl_cli.algorithms."):
            return cls.__name__
    raise _not_describable(f"the trainer {type(trainer).__name__}")


def _net_node(net: RewardNet) -> dict[str, Any]:
    arguments = dict(net.constructor_arguments)
    for name in ("observation_space", "action_space"):
        arguments.pop(name, None)
    if not type(net).__module__.startswith("airl_cli.rewards."):
        raise _not_describable(f"the reward net {type(net).__name__}")
    return _node(type(net), arguments)


def _generator_node(algorithm: BaseAlgorithm) -> dict[str, Any]:
    """The arguments that are plain numbers, and the policy."""
    found: dict[str, Any] = {}
    for name in inspect.signature(type(algorithm)).parameters:
        value = getattr(algorithm, name, None)
        if name not in _NOT_OF_THE_POLICY and isinstance(value, bool | int | float):
            found[name] = value
    policy = type(algorithm.policy)
    aliases = [name for name, cls in algorithm.policy_aliases.items() if cls is policy]
    kwargs = {name: v for name, v in algorithm.policy_kwargs.items() if name != "use_sde"}
    return {
        **_node(type(algorithm), found),
        # SB3 wants the class itself here, not something to call
        "policy": aliases[0]
        if aliases
        else {"_target_": "hydra.utils.get_class", "path": _name(policy)},
        "policy_kwargs": _plain(kwargs),
    }


def _node(target: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"_target_": _name(target), "_partial_": True, **_plain(arguments)}


def _name(cls: Any) -> str:
    module, name = getattr(cls, "__module__", ""), getattr(cls, "__name__", "")
    for beginning, place in _PLACES.items():
        if f"{module}.".startswith(f"{beginning}."):
            return f"{place}.{name}"
    raise _not_describable(f"{cls!r}")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, type):
        return _node(value, {})
    if isinstance(value, partial):
        return _node(value.func, value.keywords)
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    raise _not_describable(f"the argument {value!r}")


def _not_describable(what: str) -> InvalidValueError:
    return InvalidValueError(
        f"{what} cannot be described without code, which a saved folder never holds.",
        "Save weights alone: airl_cli.serialization.save_weights(module, path).",
    )
