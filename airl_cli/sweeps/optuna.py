"""A search that Optuna leads, and that can be gone on with; imported with the extra `optuna`."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl, create_params_from_overrides
from omegaconf import DictConfig, OmegaConf

from airl_cli.errors import InvalidValueError, RunFailedError
from airl_cli.files import take_lock
from airl_cli.sweeps.recipe import write_recipe
from airl_cli.sweeps.study import check_settings, finished_trials, revive_interrupted
from airl_cli.sweeps.trials import TrialLauncher

log = logging.getLogger("airl_cli")

_LOCK = ".study.lock"


class OptunaSweeper(Sweeper):
    """Hydra's Optuna sweeper, with studies that survive their process.

    Args:
        sampler: Node of an Optuna sampler.
        seeds: A trial's value is the mean over runs with these seeds.
        n_trials: Finished trials that the study is to have, those of earlier calls included.
        n_jobs: Trials side by side.
        study_name: Of the study; also of the recipe that is written.
        storage: Where Optuna keeps it, as a URL.
        params: The search space: overrides with intervals and choices by key.
        arguments: For the sweeper of the plugin.
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
        **arguments: Any,
    ) -> None:
        self._sampler = sampler
        self._seeds = list(seeds)
        self._n_trials = n_trials
        self._name = study_name
        self._space = {str(key): str(value) for key, value in params.items()}
        self._plugin = OptunaSweeperImpl(
            sampler=None,
            study_name=study_name,
            storage=storage,
            n_trials=n_trials,
            n_jobs=n_jobs,
            params=params,
            **arguments,
        )

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """As any sweeper's."""
        self._loader = hydra_context.config_loader
        self._config = config
        self._folder = Path(str(config.hydra.sweep.dir))
        self._plugin.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self._trials = TrialLauncher(self._plugin.launcher, self._seeds)
        self._plugin.launcher = self._trials

    def sweep(self, arguments: list[str]) -> None:
        """Runs the trials that are missing, and writes the best one down as a recipe.

        Args:
            arguments: What was typed for the jobs; intervals and choices add to the search space.

        Raises:
            InvalidValueError: If the study was begun with other settings, or is in use.
            RunFailedError: If no trial succeeded.
        """
        optuna.logging.disable_default_handler()
        self._check_seeds(arguments)
        self._folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self._config, self._folder / "multirun.yaml")
        with _alone(self._folder), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = self._open(arguments)
            if self._plugin.n_trials > 0:
                self._run(arguments)
            self._conclude(study, arguments)

    def _check_seeds(self, arguments: Sequence[str]) -> None:
        typed = [argument for argument in arguments if argument.startswith("seed=")]
        if typed:
            raise InvalidValueError(
                f"{typed[0]}: every trial runs with hydra.sweeper.seeds={self._seeds}.",
                "Set those: hydra.sweeper.seeds=[10,11].",
            )

    def _open(self, arguments: Sequence[str]) -> optuna.Study:
        """The study, new or as it was left, and in the plugin what is left to do."""
        plugin = self._plugin
        study = optuna.create_study(
            study_name=self._name,
            storage=plugin.storage,
            direction=plugin._get_directions()[0],
            load_if_exists=True,
        )
        check_settings(study, {"seeds": self._seeds, "space": self._space}, arguments)
        done = len(finished_trials(study))
        plugin.job_idx, self._trials.revived = revive_interrupted(study)
        plugin.n_trials = max(0, self._n_trials - done)
        plugin.sampler = _seeded(instantiate(self._sampler), len(study.trials))
        if study.trials:
            log.info(
                "going on with the study %s: %d of %d trials are done, %d were interrupted",
                self._name,
                done,
                self._n_trials,
                len(self._trials.revived),
            )
        return study

    def _run(self, arguments: list[str]) -> None:
        try:
            self._plugin.sweep(arguments)
        except ValueError as error:
            if "No trials are completed" not in str(error):
                raise
            raise RunFailedError(
                f"no trial of the study {self._name} succeeded.", f"See {self._folder}."
            ) from error

    def _conclude(self, study: optuna.Study, arguments: list[str]) -> None:
        best = study.best_trial
        failed = [t for t in finished_trials(study) if t.state is optuna.trial.TrialState.FAIL]
        if failed:
            log.warning("%d of the trials failed; their directories say why", len(failed))
        _, fixed = create_params_from_overrides(arguments)
        seeds = ", ".join(map(str, self._seeds))
        about = (
            f"The best of {len(finished_trials(study))} trials of the study {self._name}: "
            f"score {best.value:.3f}, the mean over the seeds {seeds}."
        )
        path, command = write_recipe(
            self._folder, self._name, {**fixed, **best.params}, self._config, self._loader, about
        )
        log.info("%s It is trial %d; its recipe is %s.", about, best.number, path)
        log.info("Use it, and report it, on other seeds: %s", command)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = take_lock(folder / _LOCK)
    if lock is None:
        raise InvalidValueError(
            f"another process is at the study in {folder}.",
            "Wait until it has finished, or begin another one: hydra.sweeper.study_name=<name>.",
        )
    try:
        yield
    finally:
        lock.release()


def _seeded(sampler: Any, n_trials: int) -> Any:
    """A sampler that does not repeat itself when a study goes on."""
    if not isinstance(sampler, functools.partial) or "seed" not in sampler.keywords:
        return sampler
    seed = sampler.keywords["seed"]
    return sampler(seed=None if seed is None else seed + n_trials)
