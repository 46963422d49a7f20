"""`airl list [<directory> ...]`: the runs below some folders, newest first."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airl_cli.config.validation import validated
from airl_cli.errors import AirlError, InvalidValueError, did_you_mean
from airl_cli.files import to_jsonable
from airl_cli.limits import CountOrZero
from airl_cli.report.find import find_runs, newest_first
from airl_cli.report.record import STATES, RunRecord, read_config, read_run
from airl_cli.report.table import return_text, score_text

FORMATS = ("table", "json")
_NOT_SHOWN = ("env", "name", "tags", "verbose", "experiment", "hydra")
_WIDE = 200

LIST_KEYS: Mapping[str, Mapping[str, Any]] = {
    "": {
        "path": str | list[str],
        "state": str | None,
        "name": str | None,
        "tag": str | None,
        "most": CountOrZero,
        "format": str,
    }
}


def list(cfg: DictConfig) -> int:
    """Prints the runs that pass all filters.

    Args:
        cfg: The composed config of `conf/list.yaml`.

    Returns:
        Their number.

    Raises:
        AirlError: If there is no such directory, no run in it, or a filter is none.
    """
    config = validated(cfg, LIST_KEYS)
    _check(config)
    paths = [config["path"]] if isinstance(config["path"], str) else config["path"]
    found = [path for path in newest_first(find_runs(paths).runs) if passes(path, config)]
    shown = [read_run(path, curve=False) for path in found[: config["most"] or None]]
    if config["format"] == "json":
        content = to_jsonable([_described(run) for run in shown])
        sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")
        return len(found)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(_table(shown))
    if len(shown) < len(found):
        console.print(Text(f"... and {len(found) - len(shown)} more: most=0 shows all"))
    return len(found)


def _check(config: Mapping[str, Any]) -> None:
    """Refuses filters that could never pass.

    Raises:
        AirlError: Naming the key and what it takes.
    """
    for key, known in (("state", STATES), ("format", FORMATS)):
        value = config[key]
        if value is not None and value not in known:
            raise InvalidValueError(
                f"{key}={value} is none of {', '.join(known)}.",
                did_you_mean(str(value), known) or "Choose one of them.",
            )


def passes(path: Path, config: Mapping[str, Any]) -> bool:
    """Whether a run is what the filters ask for; nothing is read that no filter needs."""
    env, name, tag, state = (config.get(key) for key in ("env", "name", "tag", "state"))
    if env or name or tag:
        try:
            recorded = read_config(path)
        except AirlError:
            return False
        theirs = recorded.get("env")
        theirs = theirs if isinstance(theirs, dict) else {}
        wanted = {key: env[key] for key in ("_target_", "id") if key in env} if env else {}
        fits = (
            all(theirs.get(key) == value for key, value in wanted.items())
            and name in (None, recorded.get("name"))
            and (tag is None or tag in (recorded.get("tags") or ()))
        )
        if not fits:
            return False
    return state is None or read_run(path, curve=False).state == state


def _table(runs: Sequence[RunRecord]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, numeric in (
        ("run", False),
        ("state", False),
        ("score", True),
        ("return", True),
        ("when", False),
        ("overrides", False),
    ):
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    named = any(run.name or run.tags for run in runs)
    if named:
        table.add_column("name, tags", overflow="fold")
    for run in runs:
        cells = [
            str(run.path),
            run.state,
            score_text(run.score),
            return_text(run.number("learner_return_mean")),
            _local(run.written),
            _overrides(run),
        ]
        label = " ".join(filter(None, [run.name, *(f"#{tag}" for tag in run.tags)]))
        table.add_row(*(Text(cell) for cell in (cells + [label] if named else cells)))
    return table


def _described(run: RunRecord) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "command": run.command,
        "state": run.state,
        "reason": run.reason,
        "env_id": run.env_id,
        "seed": run.seed,
        "score": run.score,
        **run.numbers,
        "written": run.written,
        "overrides": run.overrides,
        "name": run.name,
        "tags": run.tags,
    }


def _overrides(run: RunRecord) -> str:
    parts = [f"{key}={value}" for key, value in run.overrides.items()]
    return " ".join(p for p in parts if p.partition("=")[0].partition(".")[0] not in _NOT_SHOWN)


def _local(written: str) -> str:
    try:
        return datetime.fromisoformat(written).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return ""
