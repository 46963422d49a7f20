"""What libraries say and leave behind although nobody asked."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import HumanOutputFormat, KVWriter, Logger


@contextmanager
def quiet_loggers(*names: str, level: int) -> Iterator[None]:
    """For a block, the loggers of these names say nothing below `level`."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)


def leave_no_log_folder(algorithm: BaseAlgorithm) -> None:
    """Keep `algorithm.learn()` from making a folder `SB3-<time>` for temporary files.

    Stable-Baselines3 makes one for every algorithm that was given no logger, and writes nothing
    into it. What `verbose` prints is still printed; an algorithm that has a logger, or writes to
    TensorBoard, is left as it is.
    """
    if algorithm._custom_logger or algorithm.tensorboard_log is not None:
        return
    printed: list[KVWriter] = [HumanOutputFormat(sys.stdout)] if algorithm.verbose else []
    algorithm.set_logger(Logger(None, printed))
