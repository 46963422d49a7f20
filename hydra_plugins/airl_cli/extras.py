"""Launchers and sweepers whose packages come with an extra, such as `airl-cli[parallel]`.

Hydra accepts plugins from `hydra_plugins` only, and imports all of them whenever it starts: what is
behind them is imported when it is used.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from airl_cli.sweeps.extras import launching, load, watched


class ExtraLauncher(Launcher):
    """A launcher out of an extra.

    Args:
        extra: Its name.
        launcher: Dotted name of the launcher's class.
        threads: Of BLAS and OpenMP in each job; what the environment says already stays.
        arguments: For the launcher.

    Raises:
        NotFoundError: If the extra is not installed.
    """

    def __init__(self, extra: str, launcher: str, threads: int, **arguments: Any) -> None:
        self._launcher: Launcher = load(extra, launcher)(**arguments)
        self._threads = threads
        self._sweep_dir = ""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """As any launcher's."""
        self._sweep_dir = str(config.hydra.sweep.dir)
        self._launcher.setup(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Runs jobs, and waits for them.

        Raises:
            AirlError: If the launcher fails; jobs that fail say so in what is returned.
        """
        # Jobs of a Slurm cluster outlive the process that submitted them.
        on_cluster = type(self._launcher).__name__ == "SlurmLauncher"
        watch = nullcontext() if on_cluster else watched(self._sweep_dir)
        with watch, launching(self._threads, self._sweep_dir):
            return self._launcher.launch(job_overrides, initial_job_idx)


class ExtraSweeper(Sweeper):
    """A sweeper out of an extra.

    Args:
        extra: Its name.
        sweeper: Dotted name of the sweeper's class.
        arguments: For the sweeper.

    Raises:
        NotFoundError: If the extra is not installed.
    """

    def __init__(self, extra: str, sweeper: str, **arguments: Any) -> None:
        self._sweeper: Sweeper = load(extra, sweeper)(**arguments)

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """As any sweeper's."""
        self._sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        """Runs the whole sweep."""
        return self._sweeper.sweep(arguments)
