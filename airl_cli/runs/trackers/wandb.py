"""Weights & Biases, offline unless told otherwise."""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from airl_cli.data.formats.base import require
from airl_cli.errors import InvalidValueError
from airl_cli.runs.trackers.base import RunFacts, Tracker

Mode = Literal["offline", "online", "disabled"]

log = logging.getLogger("airl_cli.run")


class WandB(Tracker):
    """A run of Weights & Biases, kept in `<run>/wandb/` and, if online, sent away.

    Args:
        project: That the run belongs to.
        mode: None: what `WANDB_MODE` says, or else `offline`, which uses no network.
        entity: User or team; None: the account's own.
        group: Runs that belong together; None: the sweep.
        name: None: the run directory.
        tags: To find the run by.
        notes: About the run.
    """

    essential: ClassVar[bool] = False

    def __init__(
        self,
        project: str = "airl-cli",
        *,
        mode: Mode | None = None,
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        notes: str | None = None,
    ) -> None:
        self._mode = mode or os.environ.get("WANDB_MODE") or "offline"
        self._about = {"project": project, "entity": entity, "notes": notes, "tags": list(tags)}
        self._group, self._name = group, name
        self._run: Any = None

    def check(self) -> None:
        """Refuses a missing package, and online use without a key."""
        # Nothing is reported to anybody either, unless the user wants the network.
        if self._mode != "online":
            os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        wandb = require("wandb", "wandb", "logger=wandb")
        if self._mode == "online" and not wandb.api.api_key:
            raise InvalidValueError(
                "logger.wandb.mode=online (or WANDB_MODE) needs an account, and no key is known.",
                "Run `wandb login`, or leave the run on this machine: logger.wandb.mode=offline.",
            )

    def begin(self, run: RunFacts, known: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begins a run, or goes on with the one of the same id."""
        import wandb

        identity = str(known.get("id") or "")
        if not re.fullmatch("[a-z0-9]{8,64}", identity):
            identity = secrets.token_hex(4)
        run.folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            **self._about,
            id=identity,
            resume="allow",
            name=self._name or run.name,
            group=self._group or run.sweep,
            config=dict(run.config),
            dir=str(run.folder),
            mode=self._mode,
            reinit="create_new",
            # The console belongs to the display, and what it says is in the log.
            settings=wandb.Settings(console="off", silent=True),
        )
        _remove_links_out(Path(self._run.dir).parent)
        return {"id": identity}

    def write(self, values: Mapping[str, float], step: int) -> None:
        """One row; of steps that are there already the first one stays."""
        if step >= self._run.step:
            self._run.log({k: v for k, v in values.items() if math.isfinite(v)}, step=step)

    def finish(self, result: Mapping[str, float], step: int, files: Sequence[Path]) -> None:
        """The result into the summary, pictures to the media."""
        import wandb

        pictures = {
            f"plots/{path.stem}": wandb.Image(str(path)) for path in files if path.suffix == ".png"
        }
        self._run.log(pictures, step=max(step, self._run.step))
        self._run.summary.update({f"result/{name}": value for name, value in result.items()})

    def close(self, status: str) -> None:
        """Ends the run."""
        if self._run is None:
            return
        folder = Path(self._run.dir).parent.parent  # all parts of a resumed run lie in it
        self._run.finish(exit_code=int(status != "finished"))
        self._run = None
        if self._mode == "offline":
            log.info("Weights & Biases, offline: wandb sync %s", folder)


def _remove_links_out(folder: Path) -> None:
    """The log of the service lies in the user's cache: a run with links out is not resumed."""
    for path in (folder / "logs").glob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            path.unlink()
