"""`airl report <directory> ...`: many runs, finished or not, as tables, pictures and a page."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from omegaconf import DictConfig

from airl_cli.commands.job import job_context
from airl_cli.config.validation import validated
from airl_cli.errors import InvalidValueError, did_you_mean
from airl_cli.files import atomic_write
from airl_cli.limits import Limit, Positive, Seed
from airl_cli.report.find import find_runs
from airl_cli.report.formats import WRITERS
from airl_cli.report.rows import Options, Report, make_report
from airl_cli.report.table import show

TABLE = "table"
PAGE, PICTURE = "report.html", "curves.png"
_IN_FILES = ("csv", "md", "latex")

Resamples = Annotated[int, Limit("between 100 and 1000000", lambda value: 100 <= value <= 10**6)]

REPORT_KEYS: Mapping[str, Mapping[str, Any]] = {
    "": {
        "run": str | list[str],
        "format": str,
        "expert_share": Positive,
        "ignore": list[str],
        "n_resamples": Resamples,
        "seed": Seed,
    }
}


def report(cfg: DictConfig) -> int:
    """Shows the groups of runs on the terminal, and writes them for people and programs.

    Args:
        cfg: The composed config of `conf/report.yaml`.

    Returns:
        The number of finished runs.

    Raises:
        AirlError: If there is no such directory, no run in it, or the files cannot be written.
    """
    config = validated(cfg, REPORT_KEYS)
    check_format(config["format"])
    sources = [config["run"]] if isinstance(config["run"], str) else config["run"]
    if not sources:
        raise InvalidValueError("run=[] names no directory.", "Name at least one.")
    options = Options(
        expert_share=config["expert_share"],
        n_resamples=config["n_resamples"],
        seed=config["seed"],
        ignore=tuple(config["ignore"]),
    )
    made = make_report(find_runs(sources), options)
    folder = job_context().output_dir
    if config["format"] == TABLE:
        written = write_files(made, folder, sources)
        show(made)
        job_context().log.info("%s are in %s", ", ".join(written), folder)
    else:
        _discard(folder)
        sys.stdout.write(WRITERS[config["format"]][1](made))
    return made.n_finished


def check_format(name: str) -> None:
    """Refuses what is no format.

    Raises:
        InvalidValueError: Naming those that there are.
    """
    known = [TABLE, *WRITERS]
    if name not in known:
        raise InvalidValueError(
            f"format={name} is none of {', '.join(known)}.",
            did_you_mean(name, known) or "Choose one of them.",
        )


def write_files(made: Report, folder: Path, sources: Sequence[str]) -> list[str]:
    """Writes tables, picture and page; gives their names.

    Raises:
        InvalidValueError: If the folder cannot be written.
    """
    # Late: what is piped needs neither Matplotlib nor Plotly.
    from airl_cli.report.curves import draw_learning_curves
    from airl_cli.report.page import write_page

    write_page(made, folder / PAGE, sources)
    names = [PAGE]
    for name in _IN_FILES:
        file_name, to_text = WRITERS[name]
        with atomic_write(folder / file_name) as file:
            file.write(to_text(made).encode())
        names.append(file_name)
    return [*names, PICTURE] if draw_learning_curves(made, folder / PICTURE) else names


def _discard(folder: Path) -> None:
    """Removes the directory that Hydra has just made, if nothing else is in it."""
    try:
        folder.rmdir()
        folder.parent.rmdir()
    except OSError:
        pass
