"""Trackers that write into the run directory: TensorBoard and a plain file."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from airl_cli.runs import layout
from airl_cli.runs.trackers.base import RunFacts, Tracker, Value

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from torch.utils.tensorboard import SummaryWriter


class CSV(Tracker):
    """`scalars.csv`: one line `step,name,value` for each recorded number.

    Unlike `metrics.csv`, which every run writes, it holds the generator's own figures, too, and
    these may come and go.
    """

    def __init__(self) -> None:
        self._file: TextIO | None = None

    def begin(self, run: RunFacts, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Opens the file, at its end."""
        run.folder.mkdir(parents=True, exist_ok=True)
        path = run.folder / layout.SCALARS
        self._file = path.open("a", newline="", encoding="utf-8")
        if not path.stat().st_size:
            csv.writer(self._file).writerow(("step", "name", "value"))
        return {}

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Lines that are on disk afterwards."""
        assert self._file is not None
        csv.writer(self._file).writerows((step, name, value) for name, value in values.items())
        self._file.flush()

    def finish(self, result: Mapping[str, float], step: int, files: Sequence[Path]) -> None:
        """The result as lines `result/<name>`."""
        self.write({f"result/{name}": value for name, value in result.items()}, step)

    def close(self, status: str) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class TensorBoard(Tracker):
    """Event files in `<run>/tensorboard/`.

    The HParams page takes hyperparameters and final numbers of all runs below its folder
    together: no experiment is declared, for the first one found would decide what is shown of
    the others.
    """

    def __init__(self) -> None:
        self._writer: SummaryWriter | None = None

    def begin(self, run: RunFacts, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begins an event file, with the hyperparameters."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run.folder / layout.TENSORBOARD))
        if run.config:  # of a resumed run TensorBoard keeps the first
            self._add(_session_start(run.hyperparameters))
        return {}

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Points, on disk afterwards."""
        assert self._writer is not None
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def finish(self, result: Mapping[str, float], step: int, files: Sequence[Path]) -> None:
        """The result as points `result/<name>`, which the HParams page shows as metrics."""
        self.write({f"result/{name}": value for name, value in result.items()}, step)

    def close(self, status: str) -> None:
        """Says how the run ended, and closes the file."""
        if self._writer is None:
            return
        self._add(_session_end(success=status == "finished"))
        self._writer.close()
        self._writer = None

    def _add(self, summary: Summary) -> None:
        assert self._writer is not None
        file_writer: Any = self._writer.file_writer  # annotated as None
        file_writer.add_summary(summary)


def _session_start(hyperparameters: Mapping[str, Value]) -> Summary:
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionStartInfo

    info = SessionStartInfo(start_time_secs=time.time())
    for name, value in hyperparameters.items():
        if isinstance(value, bool):  # which is an int, too
            info.hparams[name].bool_value = value
        elif isinstance(value, (int, float)):
            info.hparams[name].number_value = value
        else:
            info.hparams[name].string_value = value
    return _summary(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=info))


def _session_end(success: bool) -> Summary:
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    status = api_pb2.Status.Value("STATUS_SUCCESS" if success else "STATUS_FAILURE")
    info = SessionEndInfo(status=status, end_time_secs=time.time())
    return _summary(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))


def _summary(tag: str, content: Any) -> Summary:
    """As `tensorboard.plugins.hparams.summary` makes them, which imports TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    about = metadata.create_summary_metadata(content)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])
