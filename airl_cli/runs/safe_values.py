"""Values in a received config that harmless classes would do harm with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airl_cli.errors import InvalidValueError

MAX_WIDTH = 2**16
"""Of a layer."""

MAX_WEIGHTS = 2**26
"""Between two layers: 256 MB in float32."""

# Modules that register environments when they are imported, and do nothing else.
_ENV_MODULES = (
    "airl_cli",
    "ale_py",
    "gymnasium",
    "gymnasium_robotics",
    "highway_env",
    "minigrid",
    "procgen",
    "pybullet_envs_gymnasium",
    "seals",
)

# Keys that name an environment, possibly as "module:id".
_ID_KEYS = frozenset({"id", "env", "env_id", "env_name"})

# Keys of folders that something is written to.
_WRITTEN_KEYS = frozenset({"tensorboard_log", "log_dir", "save_path"})

_AT_MOST = {
    "buffer_size": 10**8,
    "features_dim": MAX_WIDTH,
    "hidden_size": MAX_WIDTH,
    "n_critics": 64,
    "n_envs": 4096,
    "n_members": 256,
    "n_steps": 10**7,
}

_MAX_DEPTH = 64


def check_values(node: Any, trusted: Sequence[str] = (), key: str = "", depth: int = 0) -> None:
    """Looks through a config node.

    Args:
        node: Plain containers.
        trusted: Further packages that may be imported to register environments.
        key: Under which `node` stands.
        depth: Of `node` in the whole.

    Raises:
        InvalidValueError: For the first value that is refused.
    """
    if depth > _MAX_DEPTH:
        raise InvalidValueError(f"the config is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(node, Mapping):
        for name, value in node.items():
            check_values(value, trusted, str(name), depth + 1)
    elif isinstance(node, (list, tuple)):
        _check_widths(node, key)
        for value in node:
            check_values(value, trusted, key, depth + 1)
    else:
        _check_leaf(node, key, trusted)


def _check_leaf(value: Any, key: str, trusted: Sequence[str]) -> None:
    if key == "trust_pickle" and value:
        raise InvalidValueError(
            "the run's config asks for a pickle to be loaded, which could run any code.",
            "Type expert.trust_pickle=true in a run of your own if you trust it.",
        )
    module = _imported(value, key)
    if module is not None and module.split(".")[0] not in (*_ENV_MODULES, *trusted):
        raise InvalidValueError(
            f"the run's config would import {module[:80]!r} for its environment.",
            "If you trust it, name its package: trust=[package] on the command line, "
            'load_run(path, trusted=("package",)) in Python.',
        )
    if key in _WRITTEN_KEYS and value is not None:
        raise InvalidValueError(f"the run's config would write logs to {str(value)[:80]!r}.")
    if key == "mode" and value == "online":
        raise InvalidValueError("the run's config would send the run away (mode=online).", _TYPED)
    if key == "tracking_uri" and value is not None and not _is_store_here(value):
        raise InvalidValueError(
            f"the run's config would send the run to {str(value)[:80]!r}, outside of here.", _TYPED
        )
    if key == "cache_dir" and not _may_hold_experts(value):
        raise InvalidValueError(
            f"the run's config would keep its expert in {str(value)[:80]!r}, outside of here.",
            "Type expert.cache_dir=<directory> (and expert=<source> where no expert is typed yet).",
        )
    limit = _AT_MOST.get(key)
    if limit is not None and isinstance(value, (int, float)) and not value <= limit:
        raise InvalidValueError(f"{key}={value} in the run's config is more than {limit}.")


_TYPED = "If you want that, choose it yourself: logger=<choice> and its keys."


def _is_store_here(value: Any) -> bool:
    """Whether an MLflow store is a file or folder below the current one."""
    path = re.sub("^(sqlite:///|file:(//)?)", "", str(value))
    return ":" not in path and Path(path).resolve().is_relative_to(Path.cwd())


def _may_hold_experts(value: Any) -> bool:
    """Whether a folder lies below the current one, or is a cache of experts already."""
    try:
        folder = Path(value)
        inside = folder.resolve().is_relative_to(Path.cwd())
        return inside or next(folder.glob("*/expert.json"), None) is not None
    except (TypeError, ValueError, OSError):
        return False


def _imported(value: Any, key: str) -> str | None:
    if key == "import_module" and value is not None:
        return str(value)
    if isinstance(value, str) and "${" in value:
        return None  # an interpolation, which is refused as such
    if key in _ID_KEYS and isinstance(value, str) and ":" in value:
        return value.rpartition(":")[0]
    return None


def _check_widths(items: Sequence[Any], key: str) -> None:
    widths = [item for item in items if isinstance(item, (int, float))]
    if len(widths) != len(items) or re.search("range|bounds|point", key):
        return
    products = [a * b for a, b in zip(widths, widths[1:], strict=False)]
    if any(w > MAX_WIDTH for w in widths) or any(p > MAX_WEIGHTS for p in products):
        raise InvalidValueError(f"the layers {key}={str(widths)[:80]} are too large to be built.")
