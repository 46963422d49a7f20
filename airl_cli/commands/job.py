"""One job of a command: what it knows about its surroundings, and what remains when it fails."""

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airl_cli.config.suggest import did_you_mean
from airl_cli.errors import AirlError, InvalidValueError

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
    try:
        _check_typed_recipes()
        function = getattr(importlib.import_module(f"airl_cli.commands.{command}"), command)
        return function(cfg)
    except AirlError as error:
        # The command line prints the mistake; the file keeps it with its traceback.
        log.error("%s", error, exc_info=True)
        if error.exit_code == InvalidValueError.exit_code:
            _discard_output()
        raise
    except Exception as error:
        log.exception("unexpected error")
        raise UnexpectedError(
            f"{type(error).__name__}: {error}",
            f"The full traceback is in {job_context().output_dir}/*.log.",
        ) from error


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


def _discard_output() -> None:
    """A mistake leaves no half-made directory; the directories of a multirun are numbered."""
    from airl_cli.runs.layout import discard_empty

    context = job_context()
    if not context.multirun:
        discard_empty(context.output_dir)


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
        torch.zeros((), device=None if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidValueError(
            f"device={device} cannot be used: {str(error).splitlines()[0]}",
            "Use device=cpu, or device=auto for the best one there is.",
        ) from error
    set_random_seed(config["seed"] or 0)


def show(renderable: Any) -> None:
    """Prints a table to the console."""
    from rich.console import Console

    Console().print(renderable)
