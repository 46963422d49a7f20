"""Which jobs of a multirun failed, and why."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hydra.experimental.callback import Callback

from airl_cli.errors import AirlError

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig

log = logging.getLogger("airl_cli")

FAILURES = "failures.jsonl"


class SweepFailures(Callback):
    """Writes one line per failed job of a multirun into `<sweep directory>/failures.jsonl`.

    A file, not a list: launchers may run the jobs in other processes and on other machines.
    """

    sweep_dir: ClassVar[Path | None] = None

    def on_multirun_start(self, config: "DictConfig", **kwargs: Any) -> None:
        """Remembers the sweep directory of this process's multirun."""
        SweepFailures.sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()

    def on_job_end(self, config: "DictConfig", job_return: "JobReturn", **kwargs: Any) -> None:
        """Records the job if it failed and belongs to a multirun."""
        from hydra.core.utils import JobStatus
        from hydra.types import RunMode

        if job_return.status is not JobStatus.FAILED or config.hydra.mode != RunMode.MULTIRUN:
            return
        error = job_return._return_value
        log.error("job #%s failed: %s", config.hydra.job.num, getattr(error, "problem", error))
        line = {
            "job": config.hydra.job.num,
            "overrides": list(job_return.overrides or []),
            "problem": error.problem if isinstance(error, AirlError) else repr(error),
            "exit_code": getattr(error, "exit_code", 1),
        }
        with (Path(str(config.hydra.sweep.dir)) / FAILURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class SweepFailedError(AirlError):
    """Some jobs of a multirun failed; the others are complete."""


def sweep_error(sweep_dir: Path) -> SweepFailedError | None:
    """The failures that the jobs of a multirun recorded, as one error; None if there are none."""
    path = sweep_dir / FAILURES
    if not path.is_file():
        return None
    failures = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [
        f"  #{f['job']} {' '.join(f['overrides'])}: {f['problem']}"
        for f in sorted(failures, key=lambda f: f["job"])
    ]
    jobs = "1 job" if len(lines) == 1 else f"{len(lines)} jobs"
    error = SweepFailedError(
        "\n".join([f"{jobs} of the multirun failed:", *lines]),
        f"All other jobs ran; everything is in {sweep_dir}.",
    )
    error.exit_code = min(f["exit_code"] for f in failures)
    return error
