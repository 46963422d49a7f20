"""Checks keys, types and limits of a config against the signatures of what its `_target_`s name.

Derived from the signatures, so it covers classes of the user's own as well as ours and SB3's.
"""

import collections.abc
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from airl_cli.errors import (
    InvalidTypeError,
    InvalidValueError,
    NotFoundError,
    did_you_mean,
    one_line,
)
from airl_cli.limits import (
    AT_LEAST_0,
    AT_LEAST_1,
    MORE_THAN_0,
    NOT_HUGE,
    SHARE,
    Count,
    Limit,
    check_limit,
    type_hints,
)
from airl_cli.nodes import import_name

if TYPE_CHECKING:
    import torch

RESERVED = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
ANYTHING: Any = Any

AT_LEAST_1_OR_MINUS_1 = Limit("at least 1, or -1", lambda value: value == -1 or value > 0)

# The same hyperparameters have the same meaning in every SB3 algorithm.
ALGORITHM = {
    "learning_rate": MORE_THAN_0,
    "buffer_size": AT_LEAST_1,
    "learning_starts": AT_LEAST_0,
    "tau": SHARE,
    "train_freq": AT_LEAST_1,
    "gradient_steps": AT_LEAST_1_OR_MINUS_1,
    "target_update_interval": AT_LEAST_1,
    "top_quantiles_to_drop_per_net": AT_LEAST_0,
    "policy_delay": AT_LEAST_1,
    "n_steps": AT_LEAST_1,
    "batch_size": AT_LEAST_1,
    "n_epochs": AT_LEAST_1,
    "gamma": SHARE,
    "gae_lambda": Limit("between 0 and 1", lambda value: 0 <= value <= 1),
    "clip_range": MORE_THAN_0,
    "clip_range_vf": MORE_THAN_0,
    "vf_coef": AT_LEAST_0,
    "max_grad_norm": MORE_THAN_0,
    "target_kl": MORE_THAN_0,
    "stats_window_size": AT_LEAST_1,
    "sde_sample_freq": AT_LEAST_1_OR_MINUS_1,
}
"""Limits of arguments of Stable-Baselines3, which has none."""

OPTIMIZER = {"lr": MORE_THAN_0, "weight_decay": AT_LEAST_0}
"""Limits of arguments of torch's optimisers, which do not check all of them."""


def check_signatures(
    config: dict[str, Any], extra: Mapping[str, Mapping[str, Any]], prefix: str = ""
) -> None:
    """Checks every node with a `_target_`, however deep.

    A float such as 1e5 becomes an integer, in place, where an integer is wanted.

    Args:
        config: Plain, resolved containers.
        extra: Keys with type hints that a node may hold beside its target's parameters, by the
            node's dotted path.
        prefix: Dotted path of `config`, ending in a dot.

    Raises:
        InvalidValueError: For a key that the target does not take, or a number outside its limit.
        InvalidTypeError: For a value of a type that it does not take.
        NotFoundError: For a target that cannot be imported.
    """
    path = prefix.rstrip(".")
    if "_target_" in config:
        _check_node(config, path, extra.get(path, {}))
    elif path in extra or not path:
        hints = extra.get(path, {})
        for key in config if path else ():  # at the top a key may be there for interpolations
            if key not in hints:
                raise InvalidValueError(
                    f"there is no key '{path}.{key}'.",
                    did_you_mean(key, hints) or f"{path} has: {', '.join(hints)}.",
                )
        _check_values(config, prefix, hints)
    else:
        _check_values(config, prefix, _in_mapping(path))
    # The generator first: others interpolate its values, and the mistake is to be named there.
    for key, value in sorted(config.items(), key=lambda item: item[0] != "generator"):
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, dict):
                check_signatures(node, extra, f"{prefix}{key}.")


def _check_node(node: dict[str, Any], path: str, extra: Mapping[str, Any]) -> None:
    target = locate(node["_target_"], path)
    accepted, open_ended = parameters(target)
    hints = {**accepted, **extra}
    for key in node:
        if key not in hints and key not in RESERVED and not open_ended:
            guess = did_you_mean(key, hints)
            raise InvalidValueError(
                f"{path}.{key}: {node['_target_']} takes no argument {key!r}.",
                guess or f"It takes: {', '.join(n for n in sorted(hints) if n[0] != '_')}.",
            )
    # Late: `airl list` and `airl report` build nothing, and need neither.
    import torch
    from stable_baselines3.common.base_class import BaseAlgorithm

    if inspect.isclass(target) and issubclass(target, BaseAlgorithm):
        limits = {
            key: Annotated[hints.get(key, ANYTHING), limit, NOT_HUGE]
            for key, limit in ALGORITHM.items()
        }
        hints = {**hints, **limits}
    _check_values(node, f"{path}.", hints)
    if inspect.isclass(target) and issubclass(target, torch.optim.Optimizer):
        _check_optimizer(target, path)


def _in_mapping(path: str) -> dict[str, Any]:
    """Type hints within a mapping of arguments for a policy or an optimiser."""
    name = path.rpartition(".")[2]
    if name.endswith(("opt_kwargs", "optimizer_kwargs")):
        return {key: Annotated[float, limit] for key, limit in OPTIMIZER.items()}
    if name in ("policy_kwargs", "net_arch"):
        return {key: Sequence[Count] | Mapping[str, Any] for key in ("net_arch", "pi", "vf", "qf")}
    return {}


def _check_optimizer(target: "type[torch.optim.Optimizer]", path: str) -> None:
    """Refuses optimisers that cannot make a step with the gradients of a dense net."""
    import torch

    weight = torch.nn.Parameter(torch.zeros(2))
    weight.grad = torch.ones(2)
    try:
        target([weight]).step()  # type: ignore[call-arg]
    except Exception as error:  # whatever the optimiser raises
        raise InvalidValueError(
            f"{path}._target_={target.__name__} cannot train these nets: {one_line(error)}",
            "Use another optimiser, such as torch.optim.Adam.",
        ) from error


def _check_values(node: dict[str, Any], prefix: str, hints: Mapping[str, Any]) -> None:
    for key, value in node.items():
        hint = hints.get(key, ANYTHING)
        path = f"{prefix}{key}"
        if key in RESERVED:
            continue
        if not matches(value, hint):
            if not (isinstance(value, float) and value.is_integer() and matches(int(value), hint)):
                raise InvalidTypeError(
                    f"{path}={_shown(value)} is of the wrong type: {describe(hint)} is wanted.",
                    f"Set {path} to {describe(hint)}.",
                )
            node[key] = int(value)
        check_limit(path, node[key], hint)
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidValueError(
                f"{path} must be a finite number, got {value}.", f"Set {path} to a number."
            )


def locate(target: str, path: str) -> Callable[..., Any]:
    """The object with a dotted name.

    Args:
        target: The name.
        path: Where it stands in the config, for messages.

    Raises:
        NotFoundError: If it cannot be imported.
        InvalidTypeError: If it is neither a class nor a function.
    """
    try:
        found = import_name(target)
    except Exception as error:  # an import may raise anything
        name, owner = getattr(error, "name", None), getattr(error, "obj", None)
        guess = did_you_mean(name, dir(owner)) if name and owner is not None else ""
        raise NotFoundError(
            f"{path}._target_={target} cannot be imported: {error}.",
            guess or "Check the spelling, and that the package that holds it is installed.",
        ) from error
    if not callable(found):
        raise InvalidTypeError(
            f"{path}._target_={target} is not a class or function.",
            "Name what should be called to make the object.",
        )
    return found


def parameters(target: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """Names and type hints of what can be passed by keyword, and whether anything else goes too.

    A class whose `__init__` passes `**kwargs` on is asked for its bases' parameters as well, but
    counts as open: the rest may go elsewhere than to a base.
    """
    functions: list[Any] = [target]
    if inspect.isclass(target):
        functions = [c.__init__ for c in target.__mro__[:-1] if "__init__" in vars(c)]  # type: ignore[misc]
    accepted: dict[str, Any] = {}
    open_ended = False
    for function in functions:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # written in C
            return accepted, True
        hints = type_hints(function)
        for parameter in signature.parameters.values():
            if parameter.kind in _BY_KEYWORD and parameter.name != "self":
                accepted.setdefault(parameter.name, hints.get(parameter.name, ANYTHING))
        if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            break
        open_ended = True
    return accepted, open_ended


_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def matches(value: Any, hint: Any) -> bool:
    """Whether a value from a config fits a type hint; unknown kinds of hints fit everything."""
    if hint is ANYTHING or (isinstance(value, Mapping) and "_target_" in value):
        return True
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(matches(value, option) for option in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is Annotated:
        return matches(value, arguments[0])
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool)
    if hint is int or hint is float:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole or (hint is float and isinstance(value, float))
    if hint is str:
        return isinstance(value, str)
    return _matches_container(value, origin or hint, arguments)


def _matches_container(value: Any, kind: Any, arguments: tuple[Any, ...]) -> bool:
    if not inspect.isclass(kind):
        return True  # a type variable, a protocol's alias, ...
    if issubclass(kind, collections.abc.Mapping):
        return isinstance(value, Mapping)
    if kind is tuple:
        return isinstance(value, (list, tuple)) and _fits_tuple(value, arguments)
    if _is_collection(kind):
        items = isinstance(value, (list, tuple))
        return items and (not arguments or all(matches(item, arguments[0]) for item in value))
    if kind in (type, collections.abc.Callable):
        return False  # a class or function comes by `_target_`, never as a plain value
    # A pathlib.Path is written as a string; other classes cannot be written at all.
    return isinstance(value, kind) or (hasattr(kind, "__fspath__") and isinstance(value, str))


def _is_collection(kind: type) -> bool:
    sequence = issubclass(kind, (collections.abc.Sequence, collections.abc.Set))
    return (sequence and not issubclass(kind, str)) or kind in (
        collections.abc.Iterable,
        collections.abc.Collection,
    )


def _fits_tuple(value: Sequence[Any], arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return all(matches(item, arguments[0]) for item in value)
    return len(value) == len(arguments) and all(map(matches, value, arguments))


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    type(None): "null",
    None: "null",
}


def describe(hint: Any) -> str:
    """A type hint in words, for messages."""
    if hint in _WORDS:
        return _WORDS[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return describe(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(option) for option in arguments))
    if origin is typing.Literal:
        return " or ".join(map(str, arguments))
    kind = origin or hint
    if kind in (type, collections.abc.Callable):
        return "a class or function (a mapping with _target_)"
    if inspect.isclass(kind) and issubclass(kind, collections.abc.Mapping):
        return "a mapping"
    if inspect.isclass(kind) and (kind is tuple or _is_collection(kind)):
        return f"a list, each item {describe(arguments[0])}" if arguments else "a list"
    return str(getattr(hint, "__name__", hint))


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)
