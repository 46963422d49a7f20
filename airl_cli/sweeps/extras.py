"""Launchers and sweepers that other packages bring."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from airl_cli.errors import AirlError, NotFoundError, RunFailedError

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def load(extra: str, target: str) -> Any:
    """What an extra brings.

    Args:
        extra: Its name, for the message.
        target: Dotted name of a class.

    Raises:
        NotFoundError: If it cannot be imported.
    """
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise NotFoundError(
            f"this needs the extra {extra!r}, which is not installed: {error}.",
            f'Install it: pip install "airl-cli[{extra}]"',
        ) from error


class LauncherFailedError(RunFailedError):
    """The launcher itself failed, not one of its jobs."""


@contextmanager
def launching(threads: int, sweep_dir: str) -> Iterator[None]:
    """Surroundings of a launch: processes that begin in it inherit the number of threads.

    Libraries read it when they are loaded, so that nothing within the job would be early enough.

    Args:
        threads: Of BLAS and OpenMP; what is set already stays.
        sweep_dir: Where the jobs write, for the message.

    Raises:
        AirlError: As the launcher raises it, or for whatever else ends it.
    """
    ours = {name: str(threads) for name in _THREADS if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    except AirlError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise LauncherFailedError(
            f"the launcher failed: {type(error).__name__}: {lines[0] if lines else ''}",
            f"What the jobs wrote is in {sweep_dir}; the same command with resume=auto does the "
            "rest. HYDRA_FULL_ERROR=1 shows all of it.",
        ) from error
    finally:
        for name in ours:
            os.environ.pop(name, None)
