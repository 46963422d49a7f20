"""Objects from config nodes."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate as hydra_instantiate

from airl_cli.config.signatures import parameters
from airl_cli.errors import AirlError, InvalidValueError, did_you_mean, one_line

_LONGEST = 300
"""Characters of somebody else's message; some hold whole arrays."""


def instantiate(node: Mapping[str, Any], *without: str) -> Any:
    """The object that a node's `_target_` makes; plain lists and dicts inside, no config nodes.

    Args:
        node: Plain containers.
        without: Keys that are not arguments of the target.

    Raises:
        AirlError: As the target raises it, or for what it cannot be made of.
    """
    arguments = {key: value for key, value in node.items() if key not in without}
    try:
        return hydra_instantiate(arguments, _convert_="all")
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, AirlError):
                raise cause from error
            cause = cause.__cause__
        raise InvalidValueError(
            f"{node['_target_']} cannot be made: {one_line(error.__cause__ or error, _LONGEST)}"
        ) from error


def build(name: str, factory: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a factory that came out of `instantiate`; what it refuses is a mistake of the user's.

    Args:
        name: The config group, for the message.
        factory: The callable.
        args: For the factory.
        kwargs: For the factory.

    Raises:
        AirlError: As the factory raises it, or `InvalidValueError` for what it raises when a
            value does not suit it.
    """
    target = getattr(factory, "func", factory)
    try:
        return factory(*args, **kwargs)
    except AirlError as error:
        add_keys(error, name, {**parameters(target)[0], **getattr(factory, "keywords", {})})
        raise
    except (ValueError, TypeError, AssertionError, AttributeError, RuntimeError) as error:
        raise InvalidValueError(
            f"{name}: {getattr(target, '__name__', target)} refuses its arguments: "
            f"{one_line(error, _LONGEST)}",
            _guess(target, error) or f"Change {name}=... or the keys under it.",
        ) from error


def add_keys(error: AirlError, group: str, arguments: Iterable[str]) -> None:
    """Replaces arguments that an error of the library names by the config keys that set them.

    Args:
        error: Changed in place.
        group: The node whose keys they are.
        arguments: Their names; one without an underscore is only meant where a value follows.
    """
    names = [name if "_" in name else f"{name}(?==)" for name in arguments]
    if names:
        pattern = re.compile(rf"(?<![\w.])({'|'.join(sorted(names, key=len, reverse=True))})(?!\w)")
        error.problem = pattern.sub(rf"{group}.\1", error.problem)
        error.remedy = pattern.sub(rf"{group}.\1", error.remedy)


def _guess(target: Callable[..., Any], error: Exception) -> str:
    """The argument that an unknown one may have meant."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    return did_you_mean(unknown.group(1), parameters(target)[0]) if unknown else ""
