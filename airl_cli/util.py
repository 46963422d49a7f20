"""An SB3 logger that also averages the figures of nested phases over a round."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import (
    HumanOutputFormat,
    KVWriter,
    Logger,
    make_output_format,
)

DEFAULT_FORMATS = ("stdout", "log", "csv")
_MAX_LENGTH = 50  # of a key in a table


class HierarchicalLogger(Logger):
    """Records the figures of phases one by one and, in the outer logger, their means.

    Within `accumulate_means("disc")` a figure `loss` is recorded as `raw/disc/loss` by a logger of
    its own in the folder `raw/disc`, and its mean as `mean/disc/loss` by the outer one. Outside it
    is an ordinary logger.

    Args:
        default_logger: The outer logger.
        format_strs: Output formats of the phases' loggers, see `configure`.
    """

    def __init__(
        self, default_logger: Logger, format_strs: Sequence[str] = DEFAULT_FORMATS
    ) -> None:
        super().__init__(folder=default_logger.get_dir(), output_formats=[])
        self.default_logger = default_logger
        self.format_strs = format_strs
        self.current_logger: Logger | None = None  # of the phase, if any
        self._phase = ""
        self._phase_prefixes: list[str] = []
        self._key_prefixes: list[str] = []
        self._loggers: dict[str, Logger] = {}  # of phases, by folder
        self._show(default_logger)

    def _show(self, logger: Logger) -> None:
        """Lets `name_to_value` and its like be those of `logger`."""
        self.name_to_value = logger.name_to_value
        self.name_to_count = logger.name_to_count
        self.name_to_excluded = logger.name_to_excluded

    @contextmanager
    def add_accumulate_prefix(self, prefix: str) -> Iterator[None]:
        """Puts `prefix` before the names of phases that begin within this context.

        Raises:
            RuntimeError: Within a phase.
        """
        if self.current_logger is not None:
            raise RuntimeError("add_accumulate_prefix() within accumulate_means()")
        self._phase_prefixes.append(prefix)
        try:
            yield
        finally:
            self._phase_prefixes.pop()

    @contextmanager
    def add_key_prefix(self, prefix: str) -> Iterator[None]:
        """Puts `prefix` before the keys recorded within this context.

        Raises:
            RuntimeError: Outside of a phase.
        """
        if self.current_logger is None:
            raise RuntimeError("add_key_prefix() outside of accumulate_means()")
        self._key_prefixes.append(prefix)
        try:
            yield
        finally:
            self._key_prefixes.pop()

    @contextmanager
    def accumulate_means(self, name: str) -> Iterator[None]:
        """A phase: see the class. A later one of the same name adds to the same files.

        Raises:
            RuntimeError: Within another phase.
        """
        if self.current_logger is not None:
            raise RuntimeError("Nested accumulate_means()")
        phase = "/".join([*self._phase_prefixes, name])
        if phase not in self._loggers:
            folder = Path(self.default_logger.get_dir() or ".") / "raw" / phase
            self._loggers[phase] = _logger(folder, self.format_strs)
        self.current_logger, self._phase = self._loggers[phase], phase
        self._show(self.current_logger)
        try:
            yield
        finally:
            self.current_logger = None
            self._show(self.default_logger)

    def record(self, key: str, value: Any, exclude: str | tuple[str, ...] | None = None) -> None:
        """Records a figure, see the class."""
        if self.current_logger is None:
            self.default_logger.record(key, value, exclude)
            return
        path = "/".join([self._phase, *self._key_prefixes, key])
        self.current_logger.record(f"raw/{path}", value, exclude)
        self.default_logger.record_mean(f"mean/{path}", value, exclude)

    def record_mean(
        self, key: str, value: float | None, exclude: str | tuple[str, ...] | None = None
    ) -> None:
        """Adds to a mean in the outer logger."""
        self.default_logger.record_mean(key, value, exclude)

    def dump(self, step: int = 0) -> None:
        """Writes and forgets the figures: the phase's within one, else the outer ones."""
        (self.current_logger or self.default_logger).dump(step)

    def get_dir(self) -> str | None:
        """The folder of the phase within one, else the outer one."""
        return (self.current_logger or self.default_logger).get_dir()

    def log(self, *args: Any, **kwargs: Any) -> None:
        """A message of the outer logger."""
        self.default_logger.log(*args, **kwargs)

    def set_level(self, level: int) -> None:
        """The least level of messages that are shown."""
        self.default_logger.set_level(level)

    def close(self) -> None:
        """Closes all files."""
        for logger in (self.default_logger, *self._loggers.values()):
            logger.close()


def configure(
    folder: str | Path | None = None, format_strs: Sequence[str] | None = None
) -> HierarchicalLogger:
    """A `HierarchicalLogger`.

    Args:
        folder: Where it writes, made if it is missing; None: a new one in the temporary folder.
        format_strs: SB3's output formats: `stdout`, `log`, `csv`, `json`, `tensorboard`. None:
            the first three.
    """
    if folder is None:
        folder = Path(tempfile.gettempdir(), f"airl-{datetime.now():%Y-%m-%d-%H-%M-%S-%f}")
    formats = DEFAULT_FORMATS if format_strs is None else tuple(format_strs)
    return HierarchicalLogger(_logger(Path(folder), formats), formats)


def _logger(folder: Path, formats: Sequence[str]) -> Logger:
    folder.mkdir(parents=True, exist_ok=True)
    return Logger(str(folder), [_output_format(name, folder) for name in formats])


def _output_format(name: str, folder: Path) -> KVWriter:
    if name == "stdout":
        return HumanOutputFormat(sys.stdout, max_length=_MAX_LENGTH)
    if name == "log":
        return HumanOutputFormat(str(folder / "log.txt"), max_length=_MAX_LENGTH)
    return make_output_format(name, str(folder))
