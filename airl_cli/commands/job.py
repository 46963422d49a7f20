"""One job of a command, and what remains of it when it fails."""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from airl_cli.errors import AirlError

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger("airl_cli")


class UnexpectedError(AirlError):
    """An exception that nobody foresaw: a defect, or something wrong with the machine."""

    exit_code = 1


def run_job(command: str, cfg: "DictConfig") -> Any:
    """Runs `airl_cli.commands.<command>.<command>(cfg)`; the only place where it gets imported.

    Returns:
        What the command returns; sweepers optimise it.

    Raises:
        AirlError: As the command does; any other exception arrives as an `UnexpectedError` whose
            traceback stands in the log file.
    """
    try:
        function = getattr(importlib.import_module(f"airl_cli.commands.{command}"), command)
        return function(cfg)
    except AirlError as error:
        # Where the mistake ends the command, the command line prints it; the file keeps it too.
        log.error("%s", error, exc_info=True, extra={"file_only": True})
        raise
    except Exception as error:
        log.exception("unexpected error")
        raise UnexpectedError(
            f"{type(error).__name__}: {error}", f"The full traceback is in {log_file()}."
        ) from error


def log_file() -> str:
    """The file that the running job logs to."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            return handler.baseFilename
    return "the log file"
