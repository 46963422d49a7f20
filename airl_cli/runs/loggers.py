"""SB3 loggers for a run; a new kind is one function `folder -> KVWriter`.

`metrics.csv` is written by every run and needs nothing from here; nothing prints tables.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

from airl_cli.errors import InvalidValueError

WriterFactory = Callable[[Path], KVWriter]


def tensorboard(folder: Path) -> KVWriter:
    """Scalars as TensorBoard event files directly in `folder`."""
    return TensorBoardOutputFormat(str(folder))


FORMATS: dict[str, WriterFactory] = {"tensorboard": tensorboard}


def make_logger(folder: str | Path, formats: Sequence[str | WriterFactory] = ()) -> Logger:
    """A logger for `AdversarialTrainer(custom_logger=...)`.

    Args:
        folder: Where the writers put their files; made when a writer needs it.
        formats: Names (`"tensorboard"`) or own factories that take the folder.

    Raises:
        InvalidValueError: If a name is unknown.
    """
    path = Path(folder)
    return Logger(str(path), [_factory(each)(path) for each in formats])


def _factory(named: str | WriterFactory) -> WriterFactory:
    if callable(named):
        return named
    if named in FORMATS:
        return FORMATS[named]
    raise InvalidValueError(
        f"unknown log format {named!r}", f"Known are: {', '.join(FORMATS)}; or give a factory."
    )
