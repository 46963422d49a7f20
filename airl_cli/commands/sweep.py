"""Which jobs of a multirun failed, and why."""

import json
import logging
from contextlib import suppress
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

    A file, not a list: launchers run the jobs in other processes and on other machines, and send
    this object there. What is in the directory of the multirun is found whatever directory a job
    has: that of a job may depend on its environment.
    """

    sweep_dir: ClassVar[Path | None] = None
    """Of the multirun that this process started."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def on_run_start(self, config: "DictConfig", **kwargs: Any) -> None:
        """Notes which folders do not exist yet, before Hydra makes them."""
        from omegaconf.errors import OmegaConfBaseException

        from airl_cli.commands.job import OutputFolder

        with suppress(OmegaConfBaseException):  # Hydra meets it again, and the command names it
            OutputFolder.expect(Path(str(config.hydra.run.dir)).absolute())

    def on_multirun_start(self, config: "DictConfig", **kwargs: Any) -> None:
        """Remembers the sweep directory; what failed in an earlier multirun there is forgotten."""
        self._folder = Path(str(config.hydra.sweep.dir)).absolute()
        SweepFailures.sweep_dir = self._folder
        (self._folder / FAILURES).unlink(missing_ok=True)

    def on_job_end(self, config: "DictConfig", job_return: "JobReturn", **kwargs: Any) -> None:
        """Records the job if it failed and belongs to a multirun."""
        from hydra.core.utils import JobStatus

        if job_return.status is not JobStatus.FAILED or self._folder is None:
            return
        error = job_return._return_value
        log.error("job #%s failed: %s", config.hydra.job.num, getattr(error, "problem", error))
        line = {
            "job": config.hydra.job.num,
            "overrides": list(job_return.overrides or []),
            "problem": error.problem if isinstance(error, AirlError) else repr(error),
            "exit_code": getattr(error, "exit_code", 1),
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / FAILURES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class SweepFailedError(AirlError):
    """Some jobs of a multirun failed; the others are complete."""

    several_lines = True


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
