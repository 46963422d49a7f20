"""Jobs on Ray, of this machine or a cluster's; imported with the extra `ray`."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import ray
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_ray_launcher import ray_launcher as plugin
from omegaconf import DictConfig, OmegaConf

from airl_cli.errors import InvalidValueError, NotFoundError

log = logging.getLogger("airl_cli")

_FOLDER = "AIRL_WORKING_DIRECTORY"
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",  # the lines of different jobs are alike
    "RAY_raylet_start_wait_time_s": "300",  # a busy machine needs more than Ray's 30
}
_CHECK = ("-m", "ray.scripts.scripts", "status", "--address")


class RayLauncher(plugin.RayLauncher):
    """Jobs as tasks of Ray.

    Args:
        ray: `init`: arguments of `ray.init`; `remote`: of `ray.remote`.
        timeout: Seconds that a cluster has to answer.
    """

    def __init__(self, ray: DictConfig, timeout: float) -> None:
        # Hydra's node takes no new keys, and the plugin adds some.
        super().__init__(OmegaConf.create(OmegaConf.to_container(ray, resolve=True)))
        self._timeout = timeout

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Runs jobs, and waits for them.

        Raises:
            NotFoundError: If the cluster does not answer.
            InvalidValueError: If Ray refuses its arguments.
        """
        if not ray.is_initialized():
            self._connect()
        returns: Sequence[JobReturn] = super().launch(job_overrides, initial_job_idx)
        return returns

    def _connect(self) -> None:
        init = self.ray_cfg.init
        address = init.get("address")
        if address and ":" in address and not address.startswith("ray://"):
            _check_answers(address, self._timeout)  # ray.init would try for minutes
        for name, value in _SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            ray.init(**_arguments(init))
        except (ConnectionError, TimeoutError) as error:
            raise _no_answer(address, _first_line(error)) from error
        except (ValueError, RuntimeError, TypeError) as error:
            raise InvalidValueError(
                f"Ray refuses hydra.launcher.ray.init: {_first_line(error)}",
                "Correct it; the arguments are those of ray.init.",
            ) from error


def _arguments(init: DictConfig) -> dict[str, Any]:
    """Of `ray.init`: jobs run in the folder in which the command was called.

    Workers of a cluster begin where that was started, and relative paths would lead elsewhere.
    """
    arguments: dict[str, Any] = OmegaConf.to_container(init, resolve=True)  # type: ignore[assignment]
    environment = dict(arguments.get("runtime_env") or {})
    variables = {_FOLDER: os.getcwd(), **(environment.get("env_vars") or {})}
    hook = f"{__name__}.{enter_folder.__name__}"
    environment.update(env_vars=variables, worker_process_setup_hook=hook)
    return {**arguments, "runtime_env": environment}


def enter_folder() -> None:
    """What a worker does first."""
    os.chdir(os.environ[_FOLDER])


def _check_answers(address: str, timeout: float) -> None:
    """Asks a cluster for its status, in a process that can be given up.

    Raises:
        NotFoundError: If it does not answer in time.
    """
    try:
        subprocess.run(
            [sys.executable, *_CHECK, address], capture_output=True, timeout=timeout, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise _no_answer(address, f"nothing within {timeout:g} s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise _no_answer(address, said[-1] if said else "no reason given") from error


def _no_answer(address: str | None, reason: str) -> NotFoundError:
    return NotFoundError(
        f"no Ray cluster answers at hydra.launcher.ray.init.address={address}: {reason}",
        "Start one (ray start --head), or leave the address out to have one on this machine.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
