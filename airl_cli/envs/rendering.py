"""What environments draw with, where there is no display."""

from __future__ import annotations

import os
import subprocess
import sys

_WITHOUT_DISPLAY = ("egl", "osmesa")
_PROBE = "import mujoco.{0} as gl; context = gl.GLContext(8, 8); context.make_current()"
_SECONDS = 60


def draws_with_mujoco(env: object) -> bool:
    """Whether an (unwrapped) environment is drawn by MuJoCo."""
    modules = [cls.__module__.split(".") for cls in type(env).__mro__]
    return any(
        module[:3] == ["gymnasium", "envs", "mujoco"] or module[0] == "gymnasium_robotics"
        for module in modules
    )


def need_no_window() -> None:
    """Has pygame ask for no screen and no sound card, unless somebody chose one."""
    for name in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
        os.environ.setdefault(name, "dummy")


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
