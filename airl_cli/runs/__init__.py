"""The run directory: written while training, read by every later command.

Names are loaded when they are first used: what a run left behind can be read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airl_cli.runs.loading import LoadedRun, load_reward, load_run
    from airl_cli.runs.run import Run

_WHERE = {
    "LoadedRun": "airl_cli.runs.loading",
    "Run": "airl_cli.runs.run",
    "load_reward": "airl_cli.runs.loading",
    "load_run": "airl_cli.runs.loading",
}

__all__ = ["LoadedRun", "Run", "load_reward", "load_run"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'airl_cli.runs' has no attribute {name!r}")
