"""Objects from a config that somebody else may have written.

A run directory can come from anywhere. Hydra's own `instantiate` calls whatever a config names;
here a name is imported only below a few packages, and the *object* it leads to (not its spelling:
modules re-export each other) must be of a kind that a run needs. Values that would have such an
object import a module, unpickle a file or take all memory are refused, too (`safe_values`).
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import gymnasium
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.utils import ConstantSchedule, LinearSchedule
from torch import nn, optim

from airl_cli.algorithms.rounds import RoundTrainer
from airl_cli.algorithms.schedule import Annealed, Late
from airl_cli.envs import EnvSpec
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.runs.safe_values import check_values
from airl_cli.runs.trackers.base import Tracker

MAX_DEPTH = 32

_ROOTS = (
    "airl_cli",
    "gymnasium.wrappers",
    "sb3_contrib",
    "seals",
    "stable_baselines3",
    "torch.nn",
    "torch.optim",
)

# Kinds of classes a config may name, and the package that must define them.
_KINDS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (BaseAlgorithm, ("stable_baselines3", "sb3_contrib", "airl_cli")),
    (BaseFeaturesExtractor, ("stable_baselines3", "sb3_contrib", "airl_cli")),
    (nn.Module, ("torch.nn", "airl_cli")),
    (optim.Optimizer, ("torch.optim",)),
    (gymnasium.Wrapper, ("gymnasium.wrappers", "seals", "airl_cli")),
    (RoundTrainer, ("airl_cli",)),
    (Annealed, ("airl_cli",)),
    (Late, ("airl_cli",)),
    (EnvSpec, ("airl_cli",)),
    (ConstantSchedule, ("stable_baselines3",)),
    (LinearSchedule, ("stable_baselines3",)),
    (Tracker, ("airl_cli",)),
)

# Modules whose functions only describe environments, or build nets and loggers.
_FUNCTION_MODULES = ("airl_cli.envs.specs", "airl_cli.rewards.layers", "airl_cli.runs.loggers")

# Wrappers that write files wherever they are told to.
_REFUSED_CLASSES = (gymnasium.wrappers.RecordVideo,)

# Hydra's ways to say "this object itself"; they take `path`.
_OBJECT_TARGETS = frozenset(
    {"hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object"}
)


def safe_instantiate(node: Any, *args: Any, trusted: Sequence[str] = (), **kwargs: Any) -> Any:
    """Build what a plain config node describes, refusing anything that is not on the list.

    Understands `_target_`, `_partial_` and `_args_` at any depth; `args` and `kwargs` go to the
    outermost target and win over the config.

    Args:
        node: Mappings, sequences and scalars, interpolations resolved.
        *args: For the outermost target.
        trusted: Further packages whose classes and functions may be called, e.g. `("my_nets",)`.
        **kwargs: For the outermost target.

    Raises:
        InvalidValueError: If a target is refused or unknown, or the config is malformed.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise InvalidValueError(f"the config node {str(node)[:80]!r} has no _target_")
    # What belongs to this package is on the list or not, whatever is trusted besides.
    foreign = tuple(package for package in trusted if not _below(package, _ROOTS))
    check_values(node, foreign)
    return _build(node, foreign, args, kwargs, 0)


def received_instantiate(
    node: Mapping[str, Any], *without: str, trusted: Sequence[str] = ()
) -> Any:
    """`safe_instantiate` without the keys that are not arguments of the target."""
    arguments = {key: value for key, value in node.items() if key not in without}
    return safe_instantiate(arguments, trusted=trusted)


def _build(
    node: Any,
    trusted: tuple[str, ...],
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    depth: int = 0,
) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidValueError(f"the config is nested more than {MAX_DEPTH} levels deep")
    if isinstance(node, str) and "${" in node:
        raise InvalidValueError(f"the config holds an unresolved interpolation: {node[:80]!r}")
    if isinstance(node, (list, tuple)):
        return [_build(item, trusted, depth=depth + 1) for item in node]
    if not isinstance(node, Mapping):
        return node
    values = {
        key: _build(value, trusted, depth=depth + 1)
        for key, value in node.items()
        if key not in ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")
    }
    if "_target_" not in node:
        return values
    return _call(
        node, trusted, args or _positional(node, trusted, depth), {**values, **(kwargs or {})}
    )


def _positional(node: Mapping[str, Any], trusted: tuple[str, ...], depth: int) -> tuple[Any, ...]:
    return tuple(_build(list(node.get("_args_", ())), trusted, depth=depth + 1))


def _call(
    node: Mapping[str, Any],
    trusted: tuple[str, ...],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    if isinstance(node["_target_"], str) and node["_target_"] in _OBJECT_TARGETS:
        return resolve(kwargs.get("path"), trusted=trusted)
    target = resolve(node["_target_"], trusted=trusted)
    if node.get("_partial_", False):
        return partial(target, *args, **kwargs)
    if inspect.isclass(target) and issubclass(target, BaseAlgorithm):
        # It would make the environment that the config names, by importing what that asks for.
        raise InvalidValueError(f"{node['_target_']} in a run's config must be _partial_")
    try:
        return target(*args, **kwargs)
    except AirlError:
        raise
    except TypeError as error:
        raise InvalidValueError(
            f"{node['_target_']} does not take these arguments: {error}"
        ) from error


def resolve(name: Any, *, trusted: Sequence[str] = ()) -> Any:
    """The class or function with a dotted name, if it is on the list.

    Raises:
        InvalidValueError: If it is not, or there is none.
    """
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise InvalidValueError(f"{str(name)[:80]!r} is not a dotted name")
    if any(part.startswith("_") for part in name.split(".")) or not _below(
        name, (*_ROOTS, *trusted)
    ):
        raise _refused(name)
    found = _look_up(name)
    if not _is_allowed(found, tuple(trusted)):
        raise _refused(name)
    return found


def _look_up(name: str) -> Any:
    """The object a dotted name leads to: as many modules as there are, then attributes."""
    first, *rest = name.split(".")
    try:
        found: Any = importlib.import_module(first)
        path = first
        for part in rest:
            path = f"{path}.{part}"
            if isinstance(found, ModuleType) and not hasattr(found, part):
                found = importlib.import_module(path)
            else:
                found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InvalidValueError(f"there is no {name}: {error}") from error
    return found


def _is_allowed(found: Any, trusted: tuple[str, ...]) -> bool:
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        return False
    module = found.__module__
    if _below(module, trusted):
        return True
    if inspect.isfunction(found):
        return module in _FUNCTION_MODULES and not found.__name__.startswith("_")
    if found in _REFUSED_CLASSES:
        return False
    if _below(module, ("airl_cli.experts",)):
        return callable(getattr(found, "demonstrations", None))
    return any(issubclass(found, kind) and _below(module, places) for kind, places in _KINDS)


def _below(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _refused(name: str) -> InvalidValueError:
    return InvalidValueError(
        f"the run's config names {name}, which loading does not call",
        "If you trust it, name its package: trust=[package] on the command line, "
        'load_run(path, trusted=("package",)) in Python.',
    )
