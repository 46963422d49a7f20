"""A trial is several runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hydra.core.utils import JobReturn, JobStatus

from airl_cli.errors import InvalidValueError
from airl_cli.sweeps.trials import TrialLauncher


class Jobs:
    """Runs jobs by a function of their overrides."""

    def __init__(self, job: Callable[[str], float]) -> None:
        self.job = job
        self.launched: list[list[str]] = []
        self.first = -1

    def launch(self, jobs: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        self.first = initial_job_idx
        self.launched = [list(job) for job in jobs]
        return [self._run(list(job)) for job in jobs]

    def _run(self, job: list[str]) -> JobReturn:
        done = JobReturn(overrides=job)
        try:
            done.return_value, done.status = self.job(" ".join(job)), JobStatus.COMPLETED
        except InvalidValueError as error:
            done.return_value, done.status = error, JobStatus.FAILED
        return done


def test_each_trial_runs_with_every_seed_and_is_worth_the_mean() -> None:
    jobs = Jobs(lambda job: float(job.rpartition("=")[2]) + 10 * float("x=2" in job))
    trials = TrialLauncher(jobs, [4, 6]).launch([["x=1"], ["x=2"]], initial_job_idx=3)
    assert jobs.launched == [
        ["x=1", "seed=4"],
        ["x=1", "seed=6"],
        ["x=2", "seed=4"],
        ["x=2", "seed=6"],
    ]
    assert jobs.first == 6
    assert [trial.return_value for trial in trials] == [5, 15]


def test_a_trial_of_which_one_run_fails_fails_and_the_next_one_does_not() -> None:
    def job(overrides: str) -> float:
        if overrides == "x=1 seed=6":
            raise InvalidValueError("bad")
        return 1.0

    first, second = TrialLauncher(Jobs(job), [4, 6]).launch([["x=1"], ["x=2"]], 0)
    with pytest.raises(InvalidValueError):
        _ = first.return_value
    assert second.return_value == 1.0


def test_only_trials_that_were_interrupted_resume_their_runs() -> None:
    jobs = Jobs(lambda job: 0.0)
    launcher = TrialLauncher(jobs, [4])
    launcher.revived = [frozenset({"x=1", "y=2"})]
    launcher.launch([["x=1", "y=2", "env=a"], ["x=1", "y=3", "env=a"]], 0)
    assert jobs.launched == [
        ["x=1", "y=2", "env=a", "resume=auto", "seed=4"],
        ["x=1", "y=3", "env=a", "seed=4"],
    ]
