"""A look-out for what reading must not do: execute, import, write elsewhere, use the network."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

_EXECUTES = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "pickle.find_class")
_CONNECTS = ("socket.connect", "socket.getaddrinfo", "socket.bind")
_CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

seen: list[str] = []
_state = {"watching": False}


def _audit(event: str, arguments: tuple) -> None:
    if not _state["watching"]:
        return
    is_evil = event == "import" and "evil_module" in str(arguments[0])
    # A run asks which commit and which machine this is; it starts no other programs.
    is_ours = event == "subprocess.Popen" and arguments[0] in ("git", "uname")
    if (event.startswith((*_EXECUTES, *_CONNECTS)) and not is_ours) or is_evil:
        seen.append(f"{event} {arguments}"[:200])
    elif event in _CHANGES or (event == "open" and isinstance(arguments[2], int)):
        changes = event != "open" or arguments[2] & _WRITES
        if changes and isinstance(arguments[0], (str, bytes)) and _elsewhere(arguments[0]):
            seen.append(f"{event} {arguments}"[:200])


def _elsewhere(path: str | bytes) -> bool:
    absolute = os.path.abspath(os.fsdecode(path))
    allowed = (tempfile.gettempdir(), os.path.expanduser("~/.cache"), "/dev", "/proc")
    return not absolute.startswith(allowed) and "__pycache__" not in absolute


sys.addaudithook(_audit)  # cannot be removed again, only told to look away


def begin() -> None:
    """From now on what happens is noted."""
    seen.clear()
    _state["watching"] = True


def end() -> None:
    """Look away."""
    _state["watching"] = False


def executed(canary: Path) -> list[str]:
    """What happened since `begin`, and whether the payload left its mark."""
    return [*seen, *(["the payload"] if canary.exists() else [])]
