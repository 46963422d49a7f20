"""`airl verify run=<directory>`: is it as it was when it finished, and can it be repeated?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from omegaconf import DictConfig

from airl_cli.commands.job import job_context, log, prepare_process
from airl_cli.commands.resuming import recorded_job
from airl_cli.commands.train import train_job
from airl_cli.config.validation import VERIFY_KEYS, validated
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.report.find import chosen_run
from airl_cli.runs import layout
from airl_cli.runs.layout import MANIFEST
from airl_cli.runs.loading import read_config
from airl_cli.runs.verify import differences, differences_to_manifest, machine_differences


class VerificationFailedError(AirlError):
    """A run is not what its record says."""

    exit_code = 1
    several_lines = True


def verify(cfg: DictConfig) -> float:
    """Compares a run's files with its manifest; with `rerun` trains it again and compares.

    Args:
        cfg: The composed config of `conf/verify.yaml`.

    Returns:
        0: a run that is not as recorded raises.

    Raises:
        VerificationFailedError: Listing what differs, the earliest difference first.
        AirlError: If there is no such run, or it cannot be repeated.
    """
    config = validated(cfg, VERIFY_KEYS)
    run = chosen_run(config["run"])
    read_config(run)
    if (run / MANIFEST).is_file() or not config["rerun"]:
        found = differences_to_manifest(run)
        if found:
            raise _failed(f"{run} is not as it was when the run finished:", found)
        log.info("%s: every file is as its manifest says, and the record is complete", run)
    if config["rerun"]:
        _repeat(run, tuple(config["trust"]))
    return 0.0


def _repeat(run: Path, trusted: tuple[str, ...]) -> None:
    """Trains the run again in a temporary folder, and compares it to the bit."""
    if not (run / layout.RESULT).is_file():
        raise InvalidValueError(f"{run} did not finish.", "Resume it first: airl train resume=...")
    with tempfile.TemporaryDirectory(prefix="airl-verify-") as folder:
        job = recorded_job(run, Path(folder) / "run", trusted)
        prepare_process(job.config)
        log.info("training %s again, in a temporary folder", run)
        train_job(job, job_context())
        found, facts = differences(run, job.path), machine_differences(run)
    if found:
        raise _failed(
            f"trained again, {run} ends differently, first in:",
            [*found, *([f"different here: {fact}" for fact in facts])],
        )
    log.info("%s: trained again, it is the same to the bit", run)
    for fact in facts:
        log.info("although different here: %s", fact)


def _failed(what: str, lines: list[str]) -> VerificationFailedError:
    return VerificationFailedError("\n".join([what, *(f"  {line}" for line in lines)]))
