"""What MuJoCo says about Gymnasium's own models each time one is built."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gymnasium.envs.registration import EnvSpec as GymSpec
from gymnasium.envs.registration import load_env_creator

_HARMLESS = ("compiler attribute 'settotalmass' is deprecated",)
"""Beginnings of warnings about the XML that Gymnasium ships: no user can do anything about them."""

_collecting = threading.Lock()


@contextmanager
def without_known_warnings(spec: GymSpec) -> Iterator[None]:
    """Construct an environment of `spec` without MuJoCo's known, harmless warnings.

    They appear neither on stderr nor in `MUJOCO_LOG.TXT`. All other warnings go where they would
    have gone, when the block ends: to the handler that somebody set, or to both of these.
    Environments without MuJoCo are constructed as ever.
    """
    if isinstance(spec.entry_point, str):
        load_env_creator(spec.entry_point)  # imports MuJoCo, if the environment needs it
    mujoco: Any = sys.modules.get("mujoco")
    has_hook = hasattr(mujoco, "set_mju_user_warning")
    if not has_hook or not _collecting.acquire(blocking=False):
        yield  # no MuJoCo, or another construction collects them already
        return
    handler = mujoco.get_mju_user_warning()
    messages: list[str] = []
    # A method in C on purpose: an exception in a handler, such as that of Ctrl-C, which Python
    # raises wherever its next line is, ends the process.
    mujoco.set_mju_user_warning(messages.append)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(handler)
        _collecting.release()
        for message in messages:
            if not message.startswith(_HARMLESS):
                (handler or _as_mujoco_does)(message)


def _as_mujoco_does(message: str) -> None:
    print(f"WARNING: {message}\n", file=sys.stderr)
    importlib.import_module("mujoco").mju_writeLog("WARNING", message)
