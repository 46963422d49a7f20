"""A trial is several runs: one with each seed."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from hydra.core.utils import JobReturn, JobStatus


class TrialLauncher:
    """Stands between a sweeper, which knows trials, and a launcher, which knows jobs.

    Args:
        launcher: Runs the jobs.
        seeds: Of each trial's runs.

    Attributes:
        revived: Overrides of trials that were interrupted: their runs are resumed.
    """

    def __init__(self, launcher: Any, seeds: Sequence[int]) -> None:
        self._launcher = launcher
        self._seeds = tuple(seeds)
        self.revived: list[frozenset[str]] = []

    def launch(self, trials: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Runs trials.

        Args:
            trials: Their overrides.
            initial_job_idx: Number of the first one.

        Returns:
            One per trial: the mean of its runs' values, or the failure of one of them.
        """
        n_seeds = len(self._seeds)
        jobs = [
            [*trial, *self._resume(trial), f"seed={seed}"]
            for trial in trials
            for seed in self._seeds
        ]
        runs = self._launcher.launch(jobs, initial_job_idx=initial_job_idx * n_seeds)
        return [_together(runs[n : n + n_seeds]) for n in range(0, len(runs), n_seeds)]

    def _resume(self, trial: Sequence[str]) -> list[str]:
        return ["resume=auto"] if any(known <= set(trial) for known in self.revived) else []


def _together(runs: Sequence[JobReturn]) -> JobReturn:
    for run in runs:
        if run.status is not JobStatus.COMPLETED:
            return run
    trial = JobReturn(overrides=runs[0].overrides, status=JobStatus.COMPLETED)
    trial.return_value = fmean(float(run.return_value) for run in runs)
    return trial
