"""A search led by Optuna: trials of several runs, studies that are resumed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from airl_cli.errors import InvalidValueError, RunFailedError

optuna = pytest.importorskip("optuna")
sweeper_module = pytest.importorskip("airl_cli.sweeps.optuna")


class Jobs:
    """Runs jobs by a function of their overrides."""

    def __init__(self, job: Callable[[dict[str, str]], float]) -> None:
        self.job = job
        self.launched: list[list[str]] = []
        self.numbers: list[int] = []

    def launch(self, jobs: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        self.numbers.append(initial_job_idx)
        self.launched += [list(job) for job in jobs]
        return [self._run(list(job)) for job in jobs]

    def _run(self, job: list[str]) -> JobReturn:
        done = JobReturn(overrides=job)
        try:
            values = dict(override.split("=") for override in job)
            done.return_value, done.status = self.job(values), JobStatus.COMPLETED
        except InvalidValueError as error:
            done.return_value, done.status = error, JobStatus.FAILED
        return done


class Search:
    """The sweeper with everything that Hydra would give it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage: Any = optuna.storages.InMemoryStorage()  # a file costs time
        choices = {"env": "cartpole", "recipe": None}
        self.config = OmegaConf.create(
            {"hydra": {"sweep": {"dir": str(folder)}, "runtime": {"choices": choices}}}
        )

    def run(self, job: Callable[[dict[str, str]], float], *arguments: str, **settings: Any) -> Jobs:
        jobs = Jobs(job)
        sampler = {"_target_": "optuna.samplers.TPESampler", "_partial_": True, "seed": 0}
        defaults: dict[str, Any] = {
            "sampler": sampler,
            "seeds": [4, 6],
            "n_trials": 3,
            "n_jobs": 1,
            "study_name": "mine",
            "storage": self.storage,
            "params": {"generator.x": "interval(0.0,1.0)"},
        }
        given = {**defaults, **settings}
        sweeper = sweeper_module.OptunaSweeper(**given)
        sweeper._loader = SimpleNamespace(get_group_options=lambda group: [])
        sweeper._config, sweeper._folder, sweeper._launcher = self.config, self.folder, jobs
        sweeper.sweep(list(arguments))
        return jobs

    def study(self) -> Any:
        return optuna.load_study(study_name="mine", storage=self.storage)


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def x(values: dict[str, str]) -> float:
    return float(values["generator.x"])


def test_each_trial_runs_with_every_seed_and_its_score_is_the_mean(search: Search) -> None:
    jobs = search.run(lambda values: x(values) + float(values["seed"]), "trainer.n=2", n_trials=2)
    assert [job[-1] for job in jobs.launched] == ["seed=4", "seed=6"] * 2
    assert all("trainer.n=2" in job for job in jobs.launched)
    assert jobs.numbers == [0, 2]
    for trial in search.study().trials:
        assert trial.value == pytest.approx(trial.params["generator.x"] + 5)


def test_the_best_values_become_a_recipe(search: Search) -> None:
    search.run(x, "trainer.n=2")
    best = search.study().best_trial
    recipe = yaml.safe_load((search.folder / "recipe" / "mine.yaml").read_text())
    assert recipe["generator"] == {"x": best.params["generator.x"]}
    assert recipe["trainer"] == {"n": 2}


def test_there_is_a_line_per_trial(search: Search, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "airl_cli"):
        search.run(x)
    lines = [line for line in caplog.messages if line.startswith("trial ")]
    assert len(lines) == 3
    values = [f"{trial.value:.3f}" for trial in search.study().trials]
    best = values.index(max(values)) + 1
    assert lines[2] == f"trial 3/3: {values[2]}, best {max(values)} (trial {best})"


def test_a_trial_with_a_failed_run_fails_and_the_search_goes_on(
    search: Search, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def job(values: dict[str, str]) -> float:
        seen.append(values["generator.x"])
        if len(seen) == 2:
            raise InvalidValueError("bad")
        return float("nan") if len(seen) == 3 else x(values)

    with caplog.at_level(logging.INFO, "airl_cli"):
        search.run(job)
    assert [trial.state.name for trial in search.study().trials] == ["FAIL", "FAIL", "COMPLETE"]
    assert "trial 1/3: failed" in caplog.messages
    assert "2 of the trials failed; their directories say why" in caplog.messages


def test_a_search_without_a_single_success_fails(search: Search) -> None:
    def job(values: dict[str, str]) -> float:
        raise InvalidValueError("bad")

    with pytest.raises(RunFailedError, match="no trial of the study mine has a score"):
        search.run(job)


def test_too_many_failures_end_the_search(search: Search) -> None:
    def job(values: dict[str, str]) -> float:
        raise InvalidValueError("bad")

    with pytest.raises(RunFailedError, match="2 of 2 trials of the study mine failed"):
        search.run(job, n_trials=8, n_jobs=2, max_failure_rate=0.5)
    assert len(search.study().trials) == 2


def test_a_study_is_resumed_and_does_not_repeat_itself(search: Search) -> None:
    search.run(x, n_trials=2)
    assert len(search.run(x, n_trials=2).launched) == 0
    jobs = search.run(x, n_trials=4)
    assert jobs.numbers == [4, 6]
    trials = search.study().trials
    assert len({trial.params["generator.x"] for trial in trials}) == 4


def test_an_interrupted_trial_is_tried_again_before_others_and_resumes_its_runs(
    search: Search,
) -> None:
    seen: list[str] = []

    def killed(values: dict[str, str]) -> float:
        seen.append(values["generator.x"])
        if len(seen) == 4:
            raise KeyboardInterrupt
        return x(values)

    with pytest.raises(KeyboardInterrupt):
        search.run(killed)
    for _ in range(2):  # the second time nothing was interrupted
        jobs = search.run(x)
    lost, *_ = [trial for trial in search.study().trials if trial.state.name == "FAIL"]
    again = search.study().trials[2]
    assert again.params == lost.params
    assert jobs.launched == []
    assert len(sweeper_module.finished_trials(search.study())) == 3


def test_only_interrupted_trials_get_resume_auto(search: Search) -> None:
    search.run(x, n_trials=1)
    study = search.study()
    space = {"generator.x": optuna.distributions.FloatDistribution(0, 1)}
    lost = study.ask(fixed_distributions=space)
    jobs = search.run(x, n_trials=3)
    resumed = [job for job in jobs.launched if "resume=auto" in job]
    assert [job[0] for job in resumed] == [f"generator.x={lost.params['generator.x']}"] * 2
    assert len(jobs.launched) == 4


def test_other_settings_are_refused(search: Search) -> None:
    search.run(x, "a=1", "verbose=false", n_trials=1)
    search.run(x, "verbose=true", "resume=auto", "a=1", n_trials=1)
    with pytest.raises(InvalidValueError, match=r"overrides \['a=1'\] instead of \['a=2'\]"):
        search.run(x, "a=2", n_trials=1)
    with pytest.raises(InvalidValueError, match="seeds"):
        search.run(x, "a=1", n_trials=1, seeds=[4])


def test_a_seed_of_its_own_is_refused(search: Search) -> None:
    with pytest.raises(InvalidValueError, match=re.escape("seeds=[4, 6]")):
        search.run(x, "seed=3")


def test_a_study_lies_in_a_file(search: Search) -> None:
    search.storage = f"sqlite:///{search.folder}/study.db"
    search.run(x, n_trials=1, seeds=[4])
    assert (search.folder / "study.db").is_file()
    search.run(x, n_trials=2, seeds=[4])
    assert len(search.study().trials) == 2


def test_a_study_that_cannot_be_read_is_named(search: Search) -> None:
    search.storage = f"sqlite:///{search.folder}/study.db"
    (search.folder / "study.db").write_text("no database " * 100)
    with pytest.raises(InvalidValueError, match=r"storage=sqlite:///\S+ cannot be used"):
        search.run(x)


def test_a_pruner_ends_trials_after_a_seed(search: Search) -> None:
    pruner = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2}
    values = iter([5.0, 5.0, 4.0, 4.0, 1.0, 6.0, 6.0])
    jobs = search.run(lambda _: next(values), n_trials=4, pruner=pruner)
    trials = search.study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert [trial.value for trial in trials if trial.state.name == "COMPLETE"] == [5, 4, 6]
    assert len(jobs.launched) == 7
    assert jobs.numbers == [0, 1, 2, 3, 4, 5, 6]


def test_trials_side_by_side_are_launched_together(search: Search) -> None:
    jobs = search.run(x, n_trials=3, n_jobs=2)
    assert jobs.numbers == [0, 4]
    assert len(jobs.launched) == 6


def test_a_lock_keeps_a_second_process_out(search: Search) -> None:
    def nested(values: dict[str, str]) -> float:
        with pytest.raises(InvalidValueError, match="another process works on the study"):
            search.run(x)
        return 0.0

    assert len(search.run(nested, n_trials=1, seeds=[4]).launched) == 1
