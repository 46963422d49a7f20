"""Environments by id: those of this package, and what is wrong when one is not found."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec as GymSpec

from airl_cli.errors import AirlError, InvalidValueError, NotFoundError, one_line

# By the name of a module, not as classes: the ant's imports MuJoCo.
_ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "airl/PointMaze-v0": {
        "entry_point": "airl_cli.envs.point_maze:PointMazeEnv",
        "max_episode_steps": 100,
    },
    "airl/Ant-v0": {
        "entry_point": "airl_cli.envs.ant:AntEnv",
        "max_episode_steps": 500,
    },
    "airl/DisabledAnt-v0": {
        "entry_point": "airl_cli.envs.ant:AntEnv",
        "max_episode_steps": 500,
        "kwargs": {"disabled": True},
    },
    "airl/CartPole-v0": {
        "entry_point": "airl_cli.envs.cart_pole:CartPolePhysicsEnv",
        "max_episode_steps": 500,
    },
    "airl/Pendulum-v0": {
        "entry_point": "airl_cli.envs.pendulum:PendulumPhysicsEnv",
        "max_episode_steps": 200,
    },
    "airl/HalfCheetah-v0": {
        "entry_point": "airl_cli.envs.locomotion:HalfCheetahPhysicsEnv",
        "max_episode_steps": 1000,
    },
    "airl/Hopper-v0": {
        "entry_point": "airl_cli.envs.locomotion:HopperPhysicsEnv",
        "max_episode_steps": 1000,
    },
}

_NAMESPACE_MODULES = {"airl": "airl_cli.envs", "seals": "seals", "ALE": "ale_py"}
"""Modules whose import registers the ids of a namespace."""

_EXTRAS = {
    "mujoco": "airl-cli[mujoco]",
    "box2d": "airl-cli[box2d]",
    "ale": "airl-cli[atari]",
    "atari": "airl-cli[atari]",
    "seals": "seals",
}
"""What to install, by a word in the module that is missing or in gymnasium's complaint."""


def register_environments() -> None:
    """Make them known to Gymnasium, once."""
    for env_id, arguments in _ENVIRONMENTS.items():
        if env_id not in gym.registry:
            gym.register(env_id, **arguments)


def find_spec(env_id: str, import_module: str | None = None) -> GymSpec:
    """Gymnasium's entry for `env_id`.

    Args:
        env_id: `name-v0`, `namespace/name-v0` or `module:name-v0`; the module is imported first.
        import_module: Module whose import registers the environment; not needed for seals.

    Raises:
        NotFoundError: If the id is unknown (names near matches) or a module cannot be found.
        InvalidValueError: If a module cannot be imported for another reason.
    """
    module, separator, name = env_id.rpartition(":")
    for wanted in (import_module, module if separator else None, _module_of_namespace(name)):
        if wanted:
            import_env_module(wanted, env_id)
    try:
        return gym.spec(name)
    except gym.error.Error as error:
        raise NotFoundError(
            f"no environment is registered under the id {name!r}.", _remedy(name)
        ) from error


def import_env_module(module: str, env_id: str) -> None:
    """Import `module`, which registers `env_id`.

    Raises:
        NotFoundError: If it, or something that it imports, is not installed.
        InvalidValueError: If importing it fails in another way.
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise NotFoundError(
            f"the module {module!r}, which should register {env_id!r}, cannot be imported: "
            f"{error}.",
            _install_remedy(error.name or module)
            or "Install it, put its folder on PYTHONPATH, or correct env.import_module.",
        ) from error
    except Exception as error:
        raise InvalidValueError(
            f"importing the module {module!r}, which should register {env_id!r}, failed: "
            f"{type(error).__name__}: {error}.",
            "Correct the module, or env.import_module.",
        ) from error


@contextmanager
def explained_construction(env_id: str, has_kwargs: bool) -> Iterator[None]:
    """Turn what goes wrong while an environment is constructed into messages for the user.

    Raises:
        NotFoundError: If a module that the environment needs is not installed.
        InvalidValueError: If it does not accept the arguments it was given.
    """
    try:
        yield
    except AirlError:  # one of our own environments, which says itself what is wrong
        raise
    except (gym.error.DependencyNotInstalled, ModuleNotFoundError) as error:
        raise NotFoundError(
            f"{env_id!r} needs something that is not installed: {error}",
            _install_remedy(str(error)) or "Install what it asks for, or use another environment.",
        ) from error
    except ImportError as error:  # installed, but not usable; outdated MuJoCo ids end here too
        raise NotFoundError(f"{env_id!r} cannot be made: {error}", _remedy(env_id)) from error
    except Exception as error:
        raise InvalidValueError(
            f"{env_id!r} cannot be made{' with these arguments' if has_kwargs else ''}: "
            f"{type(error).__name__}: {one_line(error)}.",
            "Correct env.kwargs: they go to the environment's constructor."
            if has_kwargs
            else "Correct the environment's constructor, or how it is registered.",
        ) from error


def _module_of_namespace(name: str) -> str | None:
    namespace, separator, _ = name.partition("/")
    return _NAMESPACE_MODULES.get(namespace) if separator else None


def _install_remedy(text: str) -> str:
    lowered = text.lower()
    for word, requirement in _EXTRAS.items():
        if word in lowered:
            return f'Install it: pip install "{requirement}"'
    return ""


def _remedy(name: str) -> str:
    matches = near_matches(name)
    if matches:
        return f"Did you mean {' or '.join(matches)}?"
    return "Check the id; if another package registers it, name its module with env.import_module."


def near_matches(name: str, n: int = 3) -> list[str]:
    """Up to `n` registered ids that look like `name`, the newest version of each."""
    newest = {}
    for spec in sorted(gym.registry.values(), key=lambda spec: spec.version or 0):
        newest[spec.namespace, spec.name] = spec.id
    by_lowered = {env_id.lower(): env_id for env_id in newest.values()}
    by_name = {
        env_id.rpartition("/")[2].lower(): env_id for env_id in newest.values()
    }  # without the namespace, which is easily forgotten
    found: dict[str, None] = {}
    for table in (by_lowered, by_name):
        for match in difflib.get_close_matches(name.lower(), table, n=n, cutoff=0.7):
            found[table[match]] = None
    return list(found)[:n]
