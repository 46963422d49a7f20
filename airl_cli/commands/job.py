"""One job of a command: what it knows about its surroundings, and what remains when it fails."""

import errno
import importlib
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airl_cli.errors import AirlError, InvalidValueError, did_you_mean, one_line

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger("airl_cli")


class UnexpectedError(AirlError):
    """An exception that nobody foresaw: a defect, or something wrong with the machine."""

    exit_code = 1


@dataclass(frozen=True)
class JobContext:
    """What Hydra knows about the running job.

    Attributes:
        output_dir: The directory made for it.
        multirun: Whether it is one of several jobs.
        overrides: What was typed for it.
        placed: Whether its directory was typed.
    """

    output_dir: Path
    multirun: bool
    overrides: tuple[str, ...] = ()
    placed: bool = False
    log = log


def job_context() -> JobContext:
    """The context of the running job."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra = HydraConfig.get()
    return JobContext(
        Path(hydra.runtime.output_dir),
        hydra.mode == RunMode.MULTIRUN,
        _typed(hydra.overrides.task),
        any(
            o.startswith(("hydra.run.dir=", "hydra.sweep.dir="))
            for o in _typed(hydra.overrides.hydra)
        ),
    )


def _typed(overrides: Any) -> tuple[str, ...]:
    """As typed: what looks like an interpolation is the text of an override here."""
    from omegaconf import OmegaConf

    items = OmegaConf.to_container(overrides, resolve=False)
    assert isinstance(items, list)
    return tuple(str(item) for item in items)


def run_job(command: str, cfg: "DictConfig") -> Any:
    """Runs `airl_cli.commands.<command>.<command>(cfg)`; the only place where it gets imported.

    Returns:
        What the command returns; sweepers optimise it.

    Raises:
        AirlError: As the command does; any other exception arrives as an `UnexpectedError` whose
            traceback stands in the log file.
    """
    _Composed.config = cfg
    multirun = job_context().multirun
    try:
        with _interruptible():
            return _call(command, cfg)
    except AirlError as error:
        _forget_discarded_logs()
        # The command line prints the mistake; the file keeps it with its traceback.
        log.error("%s", error, exc_info=True)
        if error.exit_code != InvalidValueError.exit_code or multirun:
            _accept_if_new()
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            raise InvalidValueError(
                f"a path cannot be used: {one_line(error, 120)}", "Give a shorter one."
            ) from error
        log.exception("unexpected error")
        logged = _accept_if_new()
        raise UnexpectedError(
            f"{type(error).__name__}: {error}",
            f"The full traceback is in {logged}/*.log."
            if logged
            else "HYDRA_FULL_ERROR=1 shows where it comes from.",
        ) from error
    finally:
        OutputFolder.remove_empty()


def _call(command: str, cfg: "DictConfig") -> Any:
    os.chdir(_called_from())  # relative paths start there, with hydra.job.chdir=true, too
    _check_typed_recipes()
    function = getattr(importlib.import_module(f"airl_cli.commands.{command}"), command)
    return function(cfg)


def _called_from() -> str:
    from hydra.core.hydra_config import HydraConfig

    return str(HydraConfig.get().runtime.cwd)


class JobInterruptedError(AirlError):
    """A job of a multirun was ended because its launcher was; the run keeps its checkpoint."""

    exit_code = 1


@contextmanager
def _interruptible() -> Iterator[None]:
    """In a process of its own, a job ends with its launcher, as a failed job among others."""
    from airl_cli.runs.signals import (
        LAUNCHER,
        Requeued,
        Terminated,
        is_launcher,
        wanted_by_launcher,
    )

    try:
        with wanted_by_launcher():
            yield
    except Requeued:
        raise
    except (Terminated, SystemExit) as error:
        if LAUNCHER not in os.environ or is_launcher():
            raise
        raise JobInterruptedError(
            "the job was interrupted.", "The same command with resume=auto does the rest."
        ) from error


def _forget_discarded_logs() -> None:
    """A run that was refused after it began has removed its log: nothing is written there now."""
    from airl_cli.config.logs import RunLogHandler

    for handler in logging.getLogger().handlers:
        if isinstance(handler, RunLogHandler):
            handler.forget_discarded()


def _accept_if_new() -> Path | None:
    """Records a failure in a folder that holds nothing else, or whose log is begun; gives it."""
    from airl_cli.config.logs import RunLogHandler

    for handler in logging.getLogger().handlers:
        if isinstance(handler, RunLogHandler) and handler.begun:
            return Path(handler.baseFilename).parent
    folder = job_context().output_dir
    if not folder.is_dir() or any(folder.iterdir()):
        return None
    accept()
    return folder


def _check_typed_recipes() -> None:
    """Refuses a recipe that was typed and does not exist: as an optional one it would be skipped.

    Raises:
        InvalidValueError: Naming those that there are.
    """
    from hydra.core.global_hydra import GlobalHydra

    for override in job_context().overrides:
        group, _, option = override.partition("=")
        if not group.startswith("recipe"):
            continue
        group = group.partition("@")[0]
        known = GlobalHydra.instance().config_loader().get_group_options(group)
        if option not in ("null", *known):
            raise InvalidValueError(
                f"{group} has no option {option!r}.",
                f"{did_you_mean(option, known)} Options: {', '.join(known)}.".strip(),
            )


class OutputFolder:
    """The folder that Hydra makes for a command, and what of it goes again if it is refused."""

    made: ClassVar[list[Path]] = []
    """It and its parents, as far as they did not exist before; innermost first."""

    @classmethod
    def expect(cls, folder: Path) -> None:
        """Notes what is there before Hydra makes the folder."""
        chain = [folder, *folder.parents]
        cls.made = [path for path in chain if not path.exists()]

    @classmethod
    def remove_empty(cls) -> None:
        """Removes what was made and is empty."""
        for path in cls.made:
            with suppress(OSError):
                path.rmdir()


def accept(folder: Path | None = None) -> None:
    """The command may write from now on: begins its log, and records its config in `.hydra/`.

    Args:
        folder: Where; None: the job's own folder.
    """
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from airl_cli.config.logs import RunLogHandler

    target = job_context().output_dir if folder is None else folder
    logs = [each for each in logging.getLogger().handlers if isinstance(each, RunLogHandler)]
    for handler in logs:
        handler.begin(target)
    record = target / ".hydra"
    if not logs or folder is not None or record.exists():
        return
    hydra: Any = HydraConfig.instance().cfg
    record.mkdir()
    for name, part in (("hydra", hydra), ("overrides", hydra.hydra.overrides.task)):
        OmegaConf.save(part, record / f"{name}.yaml")
    if _Composed.config is not None:
        OmegaConf.save(_Composed.config, record / "config.yaml")


class _Composed:
    """The config of the running job, before it is resolved."""

    config: ClassVar["DictConfig | None"] = None


def prepare_process(config: Mapping[str, Any]) -> None:
    """Sets what holds for the whole process: warnings, torch's threads, the random streams.

    Raises:
        InvalidValueError: If the device does not exist.
    """
    import warnings

    import torch
    from stable_baselines3.common.utils import set_random_seed

    # float64 observations are cast to float32 on purpose.
    warnings.filterwarnings("ignore", message=".*precision lowered by casting")
    if config["torch_threads"] is not None:
        torch.set_num_threads(config["torch_threads"])
    device = config["device"]
    try:
        torch.zeros((), device=None if device == "auto" else device).item()
    except (RuntimeError, AssertionError) as error:
        raise InvalidValueError(
            f"device={device} cannot be used: {str(error).splitlines()[0]}",
            "Use device=cpu, or device=auto for the best one there is.",
        ) from error
    set_random_seed(config["seed"] or 0)


def show(renderable: Any) -> None:
    """Prints a table to the console."""
    from airl_cli.console import SafeConsole

    SafeConsole().print(renderable)
