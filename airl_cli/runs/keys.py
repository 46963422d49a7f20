"""The config keys that do not change a result: one list, one matching rule.

`resume` lets them change, a report groups runs that differ in them, a study continues with other
values, and trackers do not list them as hyperparameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

WITHOUT_EFFECT = (
    # What is shown and stored.
    "verbose",
    "name",
    "tags",
    "logger",
    "resume",
    "trust",
    "*.cache_dir",
    "*.promised_return",
    "*.stats_window_size",
    "trainer.checkpoint_every",
    "trainer.checkpoint_share",
    "trainer.keep_checkpoints",
    "trainer.init_tensorboard",
    "trainer.init_tensorboard_graph",
    # Where it is computed: the same up to rounding, but for `VALUES_WITH_EFFECT`.
    "device",
    "*.device",
    "torch_threads",
    "env.vectorization",
    "*.memory_limit",
)
"""Dotted keys; `*` stands for anything. A pattern covers all that lies below it."""

VALUES_WITH_EFFECT: Mapping[str, tuple[Any, ...]] = {"env.vectorization": ("native",)}
"""Values of such keys that change a result after all."""


def matches(key: str, patterns: Sequence[str] = WITHOUT_EFFECT) -> bool:
    """Whether a dotted key is one of `patterns`, or lies below one."""
    parts = key.split(".")
    names = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def has_effect(key: str, value: Any) -> bool:
    """Whether a value of a key without effect changes a result after all."""
    return value in VALUES_WITH_EFFECT.get(key, ())


def without(
    config: Mapping[str, Any], patterns: Sequence[str] = WITHOUT_EFFECT, prefix: str = ""
) -> dict[str, Any]:
    """A copy of nested mappings without the keys that match, unless their value has an effect.

    Args:
        config: Plain containers.
        patterns: As for `matches`.
        prefix: Dotted path of `config`, ending in a dot.
    """
    return {
        key: without(value, patterns, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in config.items()
        if not matches(f"{prefix}{key}", patterns) or has_effect(f"{prefix}{key}", value)
    }
