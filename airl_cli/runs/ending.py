"""What becomes of a run that ends without a result."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

from airl_cli.errors import AirlError
from airl_cli.runs.empty import discard_empty
from airl_cli.runs.interrupts import exit_status
from airl_cli.runs.recorder import RoundRecorder
from airl_cli.runs.status import StatusFile

log = logging.getLogger("airl_cli.run")


def end_without_result(
    error: BaseException | None,
    run: Path,
    recorder: RoundRecorder,
    status: StatusFile,
    *,
    keep_failed: bool,
) -> str:
    """Keeps the weights that there are, and writes down what happened.

    Args:
        error: What ended the run; None: nothing did.
        run: The run directory.
        recorder: Of its rounds.
        status: Its status.
        keep_failed: Keep the directory even if a mistake ended the run before its first round.

    Returns:
        `failed` or `interrupted`.
    """
    if error is None:
        recorder.keep_weights()
        status.write("failed", "the run ended without a result")
        return "failed"
    if exit_status(error) is not None:
        kept = recorder.keep_weights()
        status.write("interrupted", f"{type(error).__name__}; {kept}")
        log.warning("interrupted; %s", kept)
        return "interrupted"
    is_mistake = isinstance(error, AirlError) and error.exit_code == 2
    if is_mistake and not keep_failed and discard_empty(run):
        return "failed"
    kept = recorder.keep_weights()
    text = str(error) if isinstance(error, AirlError) else f"{type(error).__name__}: {error}"
    trace = None if is_mistake else "".join(traceback.format_exception(error))
    status.write("failed", text, traceback=trace)
    if recorder.snapshot is not None:
        log.warning("the run failed; %s", kept)
    return "failed"
