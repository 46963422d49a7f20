"""MuJoCo's warnings about Gymnasium's own models, and its rendering backends."""

from __future__ import annotations

import importlib
import os
import subprocess
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

_WITHOUT_DISPLAY = ("egl", "osmesa")
_PROBE = "import mujoco.{0} as gl; context = gl.GLContext(8, 8); context.make_current()"
_SECONDS = 60


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


def draws_with_mujoco(env: object) -> bool:
    """Whether an (unwrapped) environment is drawn by MuJoCo."""
    modules = [cls.__module__.split(".") for cls in type(env).__mro__]
    return any(
        module[:3] == ["gymnasium", "envs", "mujoco"] or module[0] == "gymnasium_robotics"
        for module in modules
    )


def choose_gl() -> str | None:
    """Sets `MUJOCO_GL` where there is no display and nobody has set it.

    Left to itself, Gymnasium takes GLFW, which then fails without a display. What works is found
    out in processes of their own: a context that cannot be made may take its process along.

    Returns:
        The value of `MUJOCO_GL`; None where it is not set.
    """
    chosen = os.environ.get("MUJOCO_GL")
    if chosen or not sys.platform.startswith("linux"):
        return chosen
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return None
    for backend in _WITHOUT_DISPLAY:
        if _works(backend):
            os.environ["MUJOCO_GL"] = backend
            return backend
    return None


def _works(backend: str) -> bool:
    """Whether a context of it can be made."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE.format(backend)],
            env={**os.environ, "MUJOCO_GL": backend},
            capture_output=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
