"""Jobs of a cluster, which may be stopped and started again; imported with the extra `slurm`."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from hydra_plugins.hydra_submitit_launcher import submitit_launcher as plugin
from omegaconf import DictConfig, open_dict

from airl_cli.errors import NotFoundError
from airl_cli.runs import layout

log = logging.getLogger("airl_cli")

_RESTARTS = "SLURM_RESTART_COUNT"


class _RestartedJobsResume(plugin.BaseSubmititLauncher):
    """Gives a job that was requeued, by submitit or by Slurm itself, `resume=auto`."""

    _requeued = False

    def __call__(
        self,
        sweep_overrides: list[str],
        job_dir_key: str,
        job_num: int,
        job_id: str,
        singleton_state: dict[Any, Any],
    ) -> JobReturn:
        """Runs a job; called where it runs."""
        restarted = self._requeued or int(os.environ.get(_RESTARTS) or 0) > 0
        if restarted and self._has_begun(sweep_overrides, job_num, singleton_state):
            typed = [o for o in sweep_overrides if not o.startswith("resume=")]
            sweep_overrides = [*typed, "resume=auto"]
        result: JobReturn = super().__call__(
            sweep_overrides, job_dir_key, job_num, job_id, singleton_state
        )
        return result

    def checkpoint(self, *args: Any, **kwargs: Any) -> Any:
        """What is to be submitted again; the run has written its own checkpoint."""
        self._requeued = True
        return super().checkpoint(*args, **kwargs)

    def _has_begun(self, overrides: list[str], job_num: int, singletons: dict[Any, Any]) -> bool:
        """Whether the job left a run that can be resumed in its directory."""
        assert self.hydra_context is not None and isinstance(self.config, DictConfig)
        if "resume" not in self.config:
            return False
        Singleton.set_state(singletons)
        setup_globals()
        config = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(config.hydra.job):
            config.hydra.job.num = job_num
        folder = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        return (folder / layout.CONFIG).is_file()


class LocalLauncher(_RestartedJobsResume, plugin.LocalLauncher):
    """Processes of this machine in the place of a cluster's jobs.

    Args:
        jobs_at_once: How many run side by side; None: one per core.
        params: For submitit.
    """

    def __init__(self, jobs_at_once: int | None = None, **params: Any) -> None:
        super().__init__(**params)
        self._at_once = jobs_at_once or len(os.sched_getaffinity(0))

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Runs jobs, some at a time; submitit would start all at once."""
        log.info("the jobs' output goes to %s", self.params["submitit_folder"])
        returns: list[JobReturn] = []
        for first in range(0, len(job_overrides), self._at_once):
            some = job_overrides[first : first + self._at_once]
            returns += super().launch(some, initial_job_idx + first)
        return returns


class SlurmLauncher(_RestartedJobsResume, plugin.SlurmLauncher):
    """Jobs of a Slurm cluster.

    Args:
        params: For submitit.

    Raises:
        NotFoundError: If there is no Slurm here.
    """

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        missing = [name for name in ("sbatch", "srun") if shutil.which(name) is None]
        if missing:
            raise NotFoundError(
                f"hydra/launcher=submitit_slurm needs Slurm: there is no {missing[0]} here.",
                "Call it where jobs are submitted; hydra/launcher=submitit_local runs the same "
                "here, without Slurm.",
            )

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Submits jobs as an array, and waits for them."""
        log.info("the jobs' scripts and output go to %s", self.params["submitit_folder"])
        returns: Sequence[JobReturn] = super().launch(job_overrides, initial_job_idx)
        return returns
