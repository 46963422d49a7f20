"""MLflow: a database of runs in a file, or a server."""

from __future__ import annotations

import getpass
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airl_cli.data.formats.base import require
from airl_cli.errors import AirlError, InvalidValueError, one_line
from airl_cli.files import take_lock
from airl_cli.quiet import quiet_loggers
from airl_cli.runs import layout
from airl_cli.runs.trackers.base import RunFacts, Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_URI = "sqlite:///outputs/mlflow.db"

_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_FOLDER_TAG = "airl.folder"
_BATCH = 1000  # metrics in one message: MLflow takes no more
_PARAMS = 100  # parameters, likewise
_SECONDS_BETWEEN_MESSAGES = 5.0
_KEPT_AT_MOST = 100_000  # metrics that a server which does not answer can still be told

log = logging.getLogger("airl_cli.run")


class MLflow(Tracker):
    """A run of MLflow: parameters, metrics, and pictures as artifacts.

    Metrics are sent every few seconds; what cannot be sent is tried again.

    Args:
        experiment: That the run belongs to.
        tracking_uri: A database (`sqlite:///file.db`), a folder (`file:mlruns`) or a server.
            None: what `MLFLOW_TRACKING_URI` says, or else `outputs/mlflow.db`.
        name: None: the run directory.
        tags: By name.
    """

    essential: ClassVar[bool] = False

    def __init__(
        self,
        experiment: str = "airl-cli",
        *,
        tracking_uri: str | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._experiment = experiment
        self._uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
        self._name, self._tags = name, dict(tags or {})
        self._client: MlflowClient | None = None
        self._experiment_id = self._run_id = ""
        self._waiting: list[Any] = []
        self._sent_at = 0.0
        self._last_step = -1  # that the run held when it was resumed

    def check(self) -> None:
        """Refuses a missing package, and a store that cannot be used."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        require("mlflow", "mlflow", "logger=mlflow")
        file = self._database()
        if file is not None:
            require("sqlalchemy", "mlflow", "logger=mlflow with a database")
            require("alembic", "mlflow", "logger=mlflow with a database")
        elif "://" not in self._uri or self._uri.startswith("file:"):
            # Was asked for in so many words; MLflow would rather see a database.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        try:
            # Without the news of how a database is made.
            with quiet_loggers("mlflow", "alembic", level=logging.WARNING), _alone(file):
                self._experiment_id = self._open(file)
        except AirlError:
            raise
        except Exception as error:  # of SQLAlchemy, of requests, of MLflow, of the system
            reason = one_line(error)
            raise InvalidValueError(
                f"MLflow cannot use {self._uri}: {reason}.",
                "Correct logger.mlflow.tracking_uri (or MLFLOW_TRACKING_URI), or start the server.",
            ) from error

    def _database(self) -> Path | None:
        prefix = "sqlite:///"
        return Path(self._uri.removeprefix(prefix)) if self._uri.startswith(prefix) else None

    def _open(self, file: Path | None) -> str:
        """Connects; gives the id of the experiment, which is made if there is none."""
        from mlflow import MlflowClient

        artifacts = None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            artifacts = (file.parent / "mlflow-artifacts").resolve().as_uri()
        self._client = MlflowClient(tracking_uri=self._uri)
        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(self._experiment, artifact_location=artifacts))

    def begin(self, run: RunFacts, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begins a run, or goes on with the one that belongs to the same directory."""
        if self._client is None:
            self.check()
        assert self._client is not None
        folder = str(run.folder.resolve())
        found = self._find(str(known.get("run_id") or ""), folder)
        if found is not None:
            self._run_id = found
            self._client.update_run(found, status="RUNNING")
            return {"run_id": found}
        tags = {"mlflow.user": _user(), "sweep": run.sweep or "", _FOLDER_TAG: folder, **self._tags}
        created = self._client.create_run(
            self._experiment_id, run_name=self._name or run.name, tags=tags
        )
        self._run_id = created.info.run_id
        self._log_params(run)
        return {"run_id": self._run_id}

    def _find(self, run_id: str, folder: str) -> str | None:
        """The run of that id, if it is one of this directory."""
        from mlflow.exceptions import MlflowException

        assert self._client is not None
        if not run_id.isalnum():
            return None
        try:
            found = self._client.get_run(run_id)
        except MlflowException:
            found = None
        if found is None or found.data.tags.get(_FOLDER_TAG) != folder:
            log.warning("MLflow has no run of this directory in %s: a new one begins", self._uri)
            return None
        steps = [
            metric.step
            for name in sorted(found.data.metrics)[:1]
            for metric in self._client.get_metric_history(run_id, name)
        ]
        self._last_step = max(steps, default=-1)
        return run_id

    def _log_params(self, run: RunFacts) -> None:
        from mlflow.entities import Param

        assert self._client is not None
        params = [Param(name, str(value)) for name, value in run.hyperparameters.items()]
        for start in range(0, len(params), _PARAMS):
            self._client.log_batch(self._run_id, params=params[start : start + _PARAMS])
        for name in (layout.CONFIG, layout.ENVIRONMENT):
            if (run.folder / name).is_file():
                self._client.log_artifact(self._run_id, str(run.folder / name))

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Keeps the metrics, and sends them when it is time."""
        if step <= self._last_step:  # a resumed run comes past what it wrote before
            return
        self._keep(values, step)
        if time.monotonic() - self._sent_at >= _SECONDS_BETWEEN_MESSAGES:
            try:
                self._send()
            except Exception as error:
                self._sent_at = time.monotonic()
                reason = one_line(error)
                log.warning("MLflow does not take metrics, which wait: %s", reason)
                del self._waiting[:-_KEPT_AT_MOST]

    def _keep(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        self._waiting += [
            Metric(name, value, now, step) for name, value in values.items() if math.isfinite(value)
        ]

    def _send(self) -> None:
        assert self._client is not None
        while self._waiting:
            self._client.log_batch(self._run_id, metrics=self._waiting[:_BATCH])
            del self._waiting[:_BATCH]
        self._sent_at = time.monotonic()

    def finish(self, result: Mapping[str, float], step: int, files: Sequence[Path]) -> None:
        """The result as metrics `result/<name>`, everything else as artifacts."""
        assert self._client is not None
        self._keep({f"result/{name}": value for name, value in result.items()}, step)
        self._send()
        for path in files:
            folder = layout.PLOTS if path.parent.name == layout.PLOTS else None
            self._client.log_artifact(self._run_id, str(path), artifact_path=folder)

    def close(self, status: str) -> None:
        """Sends what waits, and ends the run."""
        if self._client is None or not self._run_id:
            return
        try:
            self._send()
        finally:
            self._client.set_terminated(self._run_id, _STATUS[status])
            self._run_id = ""


@contextmanager
def _alone(file: Path | None) -> Iterator[None]:
    """One process at a time makes a database."""
    if file is None:
        yield
        return
    lock = take_lock(file.with_name(f"{file.name}.lock"), timeout=120)
    if lock is None:
        raise InvalidValueError(f"{file} is in use by another process", "Wait until it has ended.")
    try:
        yield
    finally:
        lock.release()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's nameless user
        return "unknown"
