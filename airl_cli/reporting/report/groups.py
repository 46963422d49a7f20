"""Runs of equal configs, which differ by their seed: what statistics are taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airl_cli.errors import AirlError
from airl_cli.reporting.report.record import FINISHED, RunRecord, flatten, read_config
from airl_cli.runs import keys
from airl_cli.runs.keys import WITHOUT_EFFECT

IGNORED = (*WITHOUT_EFFECT, "seed", "*.seed", "run", "gail_run")
"""Keys, as patterns, in which runs of one group may differ."""

_STRUCTURE = ("env", "reward", "trainer")
"""What a run of `airl train` has in its config, each with a `_target_`."""


@dataclass(frozen=True)
class Group:
    """Runs with the same config but for `IGNORED` keys.

    Attributes:
        command: `train` or `transfer`.
        env_id: Of the environment.
        config: By dotted key, without the ignored ones.
        runs: All of them.
        repeats: Finished runs that are not counted: the same seed was run again later.
    """

    command: str
    env_id: str
    config: Mapping[str, str]
    runs: Sequence[RunRecord]
    repeats: Mapping[Path, Path] = field(default_factory=dict)

    @property
    def counted(self) -> list[RunRecord]:
        """The finished runs, one for each seed."""
        done = (run for run in self.runs if run.state == FINISHED)
        return [run for run in done if run.path not in self.repeats]

    def count(self, state: str) -> int:
        """Runs in a state."""
        return sum(run.state == state for run in self.runs)

    @property
    def panel(self) -> tuple[str, str]:
        """What may be drawn in one picture: command and environment."""
        return self.command, self.env_id


def group_runs(runs: Iterable[RunRecord], ignore: Sequence[str] = ()) -> list[Group]:
    """Groups the runs whose config is known, in the order in which they come.

    Args:
        runs: Of any commands and environments.
        ignore: Further keys in which runs of one group may differ; patterns with `*`.
    """
    ignored = _matcher((*IGNORED, *ignore))
    sources: dict[str, Mapping[str, str]] = {}
    found: dict[Any, list[RunRecord]] = {}
    for run in runs:
        if not run.config:
            continue
        if run.source and run.source not in sources:
            sources[run.source] = _source_config(run.source)
        config = {**run.config, **sources.get(run.source, {})}
        kept = tuple(sorted((k, v) for k, v in config.items() if not ignored(k)))
        found.setdefault((run.command, kept), []).append(run)
    ids = _env_ids(run for members in found.values() for run in members)
    return [
        Group(command, _env_id(members[0], ids), dict(config), members, _repeats(members))
        for (command, config), members in found.items()
    ]


def _env_ids(runs: Iterable[RunRecord]) -> dict[str, str]:
    """Names of environments that only a finished run knows, by the function that makes them."""
    done = (run for run in runs if run.state == FINISHED and "env.id" not in run.config)
    return {run.config.get("env._target_", ""): run.env_id for run in done}


def _env_id(run: RunRecord, ids: Mapping[str, str]) -> str:
    return run.config.get("env.id") or ids.get(run.config.get("env._target_", ""), run.env_id)


def _matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    known: dict[str, bool] = {}  # a thousand runs share their few hundred keys

    def matches(key: str) -> bool:
        if key not in known:
            known[key] = keys.matches(key, patterns)
        return known[key]

    return matches


def _source_config(source: str) -> Mapping[str, str]:
    """What the run was whose reward a transfer took; its path where that cannot be read.

    Only the parts that describe a run are taken, and only of what is one: the path comes from a
    config that anybody may have written.
    """
    try:
        config = read_config(Path(source))
    except (AirlError, OSError, ValueError):
        return {"source": source}
    parts = {name: config.get(name) for name in _STRUCTURE}
    if not all(isinstance(part, dict) and "_target_" in part for part in parts.values()):
        return {"source": source}
    return flatten({"source": parts})


def _repeats(runs: Sequence[RunRecord]) -> dict[Path, Path]:
    """Finished runs of a seed that was run again, and which run counts in their place.

    The same config and seed give the same numbers: counting them twice would only make intervals
    look narrower.
    """
    newest: dict[Any, RunRecord] = {}
    repeats: dict[Path, Path] = {}
    for run in runs:
        if run.state != FINISHED or run.seed is None:
            continue
        other = newest.setdefault((run.seed, run.source), run)
        if other is run:
            continue
        older, newer = sorted((other, run), key=lambda r: r.written)
        newest[run.seed, run.source] = newer
        repeats[older.path] = newer.path
    return {older: _last(newer, repeats) for older, newer in repeats.items()}


def _last(path: Path, repeats: Mapping[Path, Path]) -> Path:
    while path in repeats:
        path = repeats[path]
    return path
