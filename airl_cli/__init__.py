"""Adversarial inverse reinforcement learning: policies, and rewards that survive.

Names are loaded when they are first used, so that `import airl_cli` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airl_cli.algorithms import AIRL, BC, GAIL, AdversarialTrainer
    from airl_cli.runs import load_reward, load_run

__version__ = "0.1.0"

_WHERE = {
    "AIRL": "airl_cli.algorithms",
    "BC": "airl_cli.algorithms",
    "GAIL": "airl_cli.algorithms",
    "AdversarialTrainer": "airl_cli.algorithms",
    "load_run": "airl_cli.runs",
    "load_reward": "airl_cli.runs",
}

__all__ = ["AIRL", "BC", "GAIL", "AdversarialTrainer", "__version__", "load_reward", "load_run"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'airl_cli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
