"""A search led by Optuna that can be resumed; imported with the extra `optuna`."""

from __future__ import annotations

import functools
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from airl_cli.errors import InvalidValueError, RunFailedError, one_line
from airl_cli.files import take_lock
from airl_cli.runs.keys import matches
from airl_cli.sweeps.search import search_space, write_recipe

log = logging.getLogger("airl_cli")

_LOCK = ".study.lock"
_SETTINGS = "settings"
_REVIVED = "revived"
"""Attribute of a trial that repeats an interrupted one: that one's number."""


class OptunaSweeper(Sweeper):
    """Asks Optuna for values, trains with them, tells Optuna the score.

    A trial is one run for each seed; its score is the mean of theirs. The study lies in a file, so
    that the same command resumes it.

    Args:
        sampler: Node of an Optuna sampler.
        pruner: Node of an Optuna pruner, asked after each seed of a trial; None runs all seeds of
            a trial at once.
        seeds: A trial's score is the mean over runs with these seeds.
        n_trials: Finished trials that the study is to have, those of earlier calls included.
        n_jobs: Trials side by side.
        study_name: Of the study; also of the recipe that is written.
        storage: Where Optuna keeps it, as a URL.
        params: The search space: overrides with intervals and choices by key.
        max_failure_rate: Share of the trials side by side that may fail; 1 never ends the search.
    """

    def __init__(
        self,
        *,
        sampler: DictConfig,
        seeds: Sequence[int],
        n_trials: int,
        n_jobs: int,
        study_name: str,
        storage: str,
        params: DictConfig,
        pruner: DictConfig | None = None,
        max_failure_rate: float = 1.0,
    ) -> None:
        self._sampler, self._pruner = sampler, pruner
        self._seeds = list(seeds)
        self._n_trials, self._n_jobs = n_trials, n_jobs
        self._name, self._storage = study_name, storage
        self._params = {str(key): str(value) for key, value in params.items()}
        self._max_failure_rate = max_failure_rate

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """As any sweeper's."""
        self._loader = hydra_context.config_loader
        self._config = config
        self._folder = Path(str(config.hydra.sweep.dir))
        self._launcher: Launcher = Plugins.instance().instantiate_launcher(
            config=config, hydra_context=hydra_context, task_function=task_function
        )

    def sweep(self, arguments: list[str]) -> None:
        """Runs the trials that are missing, and writes the best one down as a recipe.

        Args:
            arguments: Overrides for the jobs; intervals and choices add to the search space.

        Raises:
            InvalidValueError: If the study was begun with other settings, or is in use.
            RunFailedError: If no trial succeeded, or too many failed.
        """
        seeds = [argument for argument in arguments if argument.startswith("seed=")]
        if seeds:
            raise InvalidValueError(
                f"{seeds[0]}: every trial runs with hydra.sweeper.seeds={self._seeds}.",
                "Set those: hydra.sweeper.seeds=[10,11].",
            )
        space, fixed = search_space([*(f"{k}={v}" for k, v in self._params.items()), *arguments])
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, self._folder / "multirun.yaml")
        with _alone(self._folder), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = self._open(arguments)
            next_job = revive_interrupted(study) * len(self._seeds)
            self._announce(study)
            while (missing := self._n_trials - len(finished_trials(study))) > 0:
                n_trials = min(missing, self._n_jobs)
                trials = [study.ask(fixed_distributions=space) for _ in range(n_trials)]
                next_job = self._run(study, trials, fixed, next_job)
            self._conclude(study, fixed)

    def _open(self, arguments: Sequence[str]) -> optuna.Study:
        try:
            study = optuna.create_study(
                study_name=self._name,
                storage=self._storage,
                direction="maximize",
                pruner=None if self._pruner is None else instantiate(self._pruner),
                load_if_exists=True,
            )
        except Exception as error:  # of SQLAlchemy, of Optuna, of the file system
            raise InvalidValueError(
                f"hydra.sweeper.storage={self._storage} cannot be used: {one_line(error)}",
                "Begin another study: hydra.sweeper.study_name=<name>.",
            ) from error
        check_settings(study, {"seeds": self._seeds, "space": self._params}, arguments)
        study.sampler = _seeded(instantiate(self._sampler), len(study.trials))
        return study

    def _announce(self, study: optuna.Study) -> None:
        if study.trials:
            log.info(
                "resuming the study %s: %d of %d trials are done, %d were interrupted",
                self._name,
                len(finished_trials(study)),
                self._n_trials,
                len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,))),
            )

    def _run(
        self,
        study: optuna.Study,
        trials: Sequence[optuna.Trial],
        fixed: Mapping[str, str],
        next_job: int,
    ) -> int:
        """Runs trials side by side and tells the study; returns the number of the next job."""
        stages = [self._seeds] if self._pruner is None else [[seed] for seed in self._seeds]
        scores: dict[int, list[float]] = {trial.number: [] for trial in trials}
        running, n_failed = list(trials), 0
        for stage, seeds in enumerate(stages):
            if not running:
                break
            jobs = [
                [*_overrides(trial, fixed), f"seed={seed}"] for trial in running for seed in seeds
            ]
            returns = self._launcher.launch(jobs, initial_job_idx=next_job)
            next_job += len(jobs)
            for index, trial in enumerate(list(running)):
                state = None
                runs = returns[index * len(seeds) : (index + 1) * len(seeds)]
                values = [score for run in runs if (score := _score(run)) is not None]
                scores[trial.number] += values
                if len(values) < len(runs):
                    state = TrialState.FAIL
                    n_failed += 1
                else:
                    trial.report(fmean(scores[trial.number]), stage)
                    if seeds is not stages[-1] and trial.should_prune():
                        state = TrialState.PRUNED
                if state is not None or seeds is stages[-1]:
                    running.remove(trial)
                    study.tell(trial, None if state else fmean(scores[trial.number]), state)
                    self._report(study, trial)
        if n_failed > self._max_failure_rate * len(trials):
            raise RunFailedError(
                f"{n_failed} of {len(trials)} trials of the study {self._name} failed.",
                f"See {self._folder}; hydra.sweeper.max_failure_rate is what may fail.",
            )
        return next_job

    def _report(self, study: optuna.Study, trial: optuna.Trial) -> None:
        done = finished_trials(study)
        order = {finished.number: index for index, finished in enumerate(done, 1)}
        last = study.trials[trial.number]
        value = "failed" if last.value is None else f"{last.value:.3f}"
        if last.state is TrialState.PRUNED:
            value += " (pruned)"
        best = _best(study)
        line = f"trial {order[trial.number]}/{self._n_trials}: {value}"
        if best is not None:
            line += f", best {best.value:.3f} (trial {order[best.number]})"
        log.info(line)

    def _conclude(self, study: optuna.Study, fixed: Mapping[str, str]) -> None:
        best = _best(study)
        if best is None:
            raise RunFailedError(
                f"no trial of the study {self._name} has a score.",
                f"See {self._folder}: runs that failed have none, nor have those whose expert is "
                "no better than random actions.",
            )
        done = finished_trials(study)
        n_failed = sum(trial.state is TrialState.FAIL for trial in done)
        if n_failed:
            log.warning("%d of the trials failed; their directories say why", n_failed)
        about = (
            f"The best of {len(done)} trials of the study {self._name}: score {best.value:.3f}, "
            f"the mean over the seeds {', '.join(map(str, self._seeds))}."
        )
        path, command = write_recipe(
            self._folder, self._name, {**fixed, **best.params}, self._config, self._loader, about
        )
        log.info("%s Its recipe is %s.", about, path)
        log.info("Use it, and report it, on other seeds: %s", command)


def check_settings(
    study: optuna.Study, settings: Mapping[str, Any], arguments: Sequence[str]
) -> None:
    """Refuses to mix scores that mean different things in one study.

    Args:
        study: New, or begun earlier.
        settings: JSON-able; what decides what a trial's score means.
        arguments: Command-line overrides for the jobs.

    Raises:
        InvalidValueError: If the study was begun with others.
    """
    keys = {argument: argument.split("=")[0].lstrip("+~") for argument in arguments}
    overrides = sorted(argument for argument, key in keys.items() if not matches(key))
    now = {**settings, "overrides": overrides}
    before = study.user_attrs.get(_SETTINGS)
    if before is None:
        study.set_user_attr(_SETTINGS, now)
        return
    for name, value in now.items():
        if value != before.get(name):
            raise InvalidValueError(
                f"the study {study.study_name} was begun with other settings: "
                f"{name} {before.get(name)} instead of {value}.",
                "Repeat its command, or begin another one: hydra.sweeper.study_name=<name>.",
            )


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ran to their end, failed ones included; not those that were interrupted."""
    trials = study.get_trials(deepcopy=False)
    interrupted = {trial.user_attrs.get(_REVIVED) for trial in trials}
    return [t for t in trials if t.state.is_finished() and t.number not in interrupted]


def revive_interrupted(study: optuna.Study) -> int:
    """Puts trials whose process ended in the middle at the head of the queue.

    Args:
        study: That no other process works on.

    Returns:
        The number of the trial that comes next.
    """
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, user_attrs={_REVIVED: trial.number})
    trials = study.get_trials(deepcopy=False)
    waiting = [trial.number for trial in trials if trial.state is TrialState.WAITING]
    return min([len(trials), *waiting])


def _overrides(trial: optuna.Trial, fixed: Mapping[str, str]) -> list[str]:
    values = {**trial.params, **fixed}
    resume = ["resume=auto"] if _REVIVED in trial.user_attrs else []
    return [*(f"{key}={value}" for key, value in values.items()), *resume]


def _score(run: JobReturn) -> float | None:
    """What a run returned; None if it failed or has no score."""
    if run.status is not JobStatus.COMPLETED or run.return_value is None:
        return None
    score = float(run.return_value)
    return score if math.isfinite(score) else None


def _best(study: optuna.Study) -> FrozenTrial | None:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max(complete, key=lambda trial: trial.value or -math.inf, default=None)


def _seeded(sampler: Any, n_trials: int) -> Any:
    """A sampler that does not repeat itself when a study is resumed."""
    if not isinstance(sampler, functools.partial):
        return sampler
    seed = sampler.keywords.get("seed")
    return sampler(seed=None if seed is None else seed + n_trials)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = take_lock(folder / _LOCK)
    if lock is None:
        raise InvalidValueError(
            f"another process works on the study in {folder}.",
            "Wait until it has finished, or begin another one: hydra.sweeper.study_name=<name>.",
        )
    try:
        yield
    finally:
        lock.release()
