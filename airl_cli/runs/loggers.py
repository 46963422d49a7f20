"""Where numbers go besides `metrics.csv`, which every run writes; nothing here prints tables."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.logger import KVWriter, Logger

from airl_cli.errors import AirlError, InvalidValueError, one_line
from airl_cli.runs import layout
from airl_cli.runs.trackers import CSV, MLflow, RunFacts, TensorBoard, Tracker, WandB
from airl_cli.serialization import read_json, write_json

WriterFactory = Callable[[Path], KVWriter]

FORMATS: dict[str, Callable[[], Tracker]] = {
    "tensorboard": TensorBoard,
    "csv": CSV,
    "wandb": WandB,
    "mlflow": MLflow,
}

log = logging.getLogger("airl_cli.run")


def make_logger(
    folder: str | Path,
    formats: Sequence[str | WriterFactory | Tracker] = (),
    *,
    tensorboard: Tracker | None = None,
    csv: Tracker | None = None,
    wandb: Tracker | None = None,
    mlflow: Tracker | None = None,
) -> RunLogger:
    """A logger for `AdversarialTrainer(custom_logger=...)`.

    Args:
        folder: The run directory; made when something needs it.
        formats: Names (`"tensorboard"`, `"csv"`, `"wandb"`, `"mlflow"`), trackers of one's own,
            or factories of Stable-Baselines3 writers that take the folder.
        tensorboard: What the name stands for; None: with its defaults.
        csv: Likewise.
        wandb: Likewise.
        mlflow: Likewise.

    Raises:
        InvalidValueError: If a name is unknown.
    """
    named = {"tensorboard": tensorboard, "csv": csv, "wandb": wandb, "mlflow": mlflow}
    made = [_made(each, named) for each in dict.fromkeys(formats)]
    return RunLogger(
        folder,
        {name: each for name, each in made if isinstance(each, Tracker)},
        [each(Path(folder)) for _, each in made if not isinstance(each, Tracker)],
    )


def _made(
    named: str | WriterFactory | Tracker, trackers: Mapping[str, Tracker | None]
) -> tuple[str, Tracker | WriterFactory]:
    if isinstance(named, Tracker):
        return type(named).__name__, named
    if callable(named):
        return "", named
    if named in FORMATS:
        return named, trackers[named] or FORMATS[named]()
    raise InvalidValueError(
        f"unknown log format {named!r}", f"Known are: {', '.join(FORMATS)}; or give a factory."
    )


class RunLogger(Logger):
    """A logger of Stable-Baselines3 whose trackers learn of the run's begin and end.

    Used without a `Run` they begin with the first record.

    Args:
        folder: The run directory.
        trackers: By name.
        writers: Further writers of Stable-Baselines3.
    """

    def __init__(
        self, folder: str | Path, trackers: Mapping[str, Tracker], writers: Sequence[KVWriter] = ()
    ) -> None:
        self._folder = Path(folder)
        self._trackers = dict(trackers)
        self._begun = False
        super().__init__(str(folder), [*([_Recorded(self)] if trackers else []), *writers])

    def check(self) -> None:
        """Refuses what cannot work, before anything is trained.

        Raises:
            AirlError: If something is not installed, or cannot be reached.
        """
        for tracker in self._trackers.values():
            tracker.check()

    def begin(self, run: RunFacts) -> None:
        """The first round of a run begins, or the first one after it was resumed."""
        self._begun = True
        path = run.folder / layout.LOGGERS
        known = _read(path)
        found: dict[str, Any] = {}

        def begin(name: str, tracker: Tracker) -> None:
            before = known.get(name)
            found[name] = tracker.begin(run, before if isinstance(before, Mapping) else {})

        self._each(begin)
        found = {name: dict(entry) for name, entry in found.items() if entry}
        if found:
            write_json(path, {**known, **found})

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Gives the numbers of a round to the trackers."""
        if not self._begun:
            self.begin(RunFacts(self._folder))
        self._each(lambda _, tracker: tracker.write(values, step))

    def finish(self, result: Mapping[str, Any], step: int, files: Iterable[Path]) -> None:
        """Gives the numbers of a result, and the files that belong to it, to the trackers."""
        numbers = {name: float(value) for name, value in result.items() if _is_number(value)}
        existing = [path for path in files if path.is_file()]
        self._each(lambda _, tracker: tracker.finish(numbers, step, existing))

    def end(self, status: str) -> None:
        """Closes the trackers; what goes wrong is in the log.

        Args:
            status: `finished`, `failed` or `interrupted`.
        """
        for name, tracker in self._trackers.items():
            _close(name, tracker, status)
        self._trackers = {}

    def close(self) -> None:
        """As for every logger; a run says more with `end`."""
        self.end("finished")
        super().close()

    def _each(self, act: Callable[[str, Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                act(name, tracker)
            except Exception as error:
                if tracker.essential:
                    raise
                log.warning("%s: %s; the run goes on without it", name, one_line(error))
                del self._trackers[name]
                _close(name, tracker, "failed")


class _Recorded(KVWriter):
    """What trainer and generator record, on its way to the trackers."""

    def __init__(self, logger: RunLogger) -> None:
        self._logger = logger

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Numbers that are meant for TensorBoard; to all trackers the same."""
        numbers = {
            name: float(value)
            for name, value in key_values.items()
            if _is_number(value) and "tensorboard" not in (key_excluded.get(name) or ())
        }
        self._logger.write(numbers, step)

    def close(self) -> None:
        """Nothing of its own to close."""


def _close(name: str, tracker: Tracker, status: str) -> None:
    try:
        tracker.close(status)
    except Exception as error:
        log.warning("%s could not be closed: %s", name, one_line(error))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path) if path.is_file() else {}
    except AirlError:
        return {}
    return content if isinstance(content, dict) else {}
