"""What a report knows of one run directory, read as data: nothing is built from it."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.files import read_json
from airl_cli.report.metrics import Curve, read_curve
from airl_cli.runs import keys, layout
from airl_cli.text import printable

FINISHED = "finished"
RUNNING = "running"
INTERRUPTED = "interrupted"
KILLED = "killed"
FAILED = "failed"
UNFINISHED = "unfinished"
UNREADABLE = "unreadable"
STATES = (FINISHED, RUNNING, INTERRUPTED, KILLED, FAILED, UNFINISHED, UNREADABLE)
"""What can have become of a run; `unfinished` is one that does not say more."""

_NUMBERS = (
    "learner_return_mean",
    "expert_return_mean",
    "random_return_mean",
    "normalized_score",
    "transfer_score",
    "retrain_score",
    "true_reward_score",
    "env_steps",
    "train_seconds",
)
_MAX_DEPTH, _MAX_KEYS = 32, 5_000
_MAX_METRICS_BYTES = 2**28
_OVERRIDES, _HYDRA_CONFIG = ".hydra/overrides.yaml", ".hydra/hydra.yaml"
_MAX_YAML_BYTES = 2**16
_OF_NO_EXPERT = (*keys.WITHOUT_EFFECT, "expert.n_episodes", "expert.subsample")
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def config_text(value: Any) -> str:
    """A value of a config, as one would type it; equal numbers give equal texts."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, int):  # bools too
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        whole = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else f"{value:.12g}"
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class RunRecord:
    """One run, finished or not.

    Attributes:
        path: Its directory.
        state: One of `STATES`.
        reason: Why it is not finished, as far as known.
        command: `train` or `transfer`; empty if unknown.
        env_id: Of its environment; empty if unknown.
        seed: None if unknown.
        config: Its config by dotted key, values as text; empty if it cannot be read.
        numbers: Of `result.json`; empty unless finished.
        curve: Of `metrics.csv`; None if it cannot be read.
        source: Of a transfer, the run whose reward it was; empty otherwise.
        written: When its status last changed, ISO 8601; empty if unknown.
        overrides: Of its command line, by dotted key or group.
    """

    path: Path
    state: str
    reason: str = ""
    command: str = ""
    env_id: str = ""
    seed: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    curve: Curve | None = None
    source: str = ""
    written: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str) -> float:
        """A number of `result.json`; NaN if there is none."""
        return self.numbers.get(name, math.nan)

    @property
    def has_scale(self) -> bool:
        """Whether there is a score: only where the expert is better than random actions."""
        better = self.number("expert_return_mean") > self.number("random_return_mean")
        return better and math.isfinite(self.number("normalized_score"))

    @property
    def score(self) -> float:
        """The normalised score; NaN if there is none."""
        return self.number("normalized_score") if self.has_scale else math.nan

    @property
    def name(self) -> str:
        """What it was called; empty without a name."""
        name = self.config.get("name", "null")
        return "" if name == "null" else name

    @property
    def tags(self) -> list[str]:
        """Words that it was given."""
        try:
            tags = json.loads(self.config.get("tags", "[]"))
        except ValueError:
            return []
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []

    @cached_property
    def expert(self) -> tuple[tuple[str, str], ...]:
        """What its expert is determined by: equal ones may be averaged into one level."""
        return tuple(sorted((k, v) for k, v in self.config.items() if _determines_expert(k)))

    def level(self, share: float) -> float:
        """The true return at a normalised score; NaN without a scale."""
        random, expert = self.number("random_return_mean"), self.number("expert_return_mean")
        return random + share * (expert - random) if self.has_scale else math.nan


def read_run(path: Path, *, curve: bool = True) -> RunRecord:
    """A run directory as data; what is damaged gives the state `unreadable` and the reason.

    Args:
        path: The run directory.
        curve: Whether to read its `metrics.csv`, which takes longest.
    """
    try:
        config = read_config(path)
        known = _described(path, config)
    except (AirlError, OSError) as error:
        return RunRecord(path, UNREADABLE, _reason(path, error))
    try:
        status = _mapping(path, layout.STATUS) if (path / layout.STATUS).exists() else {}
        known["written"] = printable(str(status.get("written", "")))
        state, reason = _state(path, status)
        if curve and (path / layout.METRICS).exists():
            known["curve"] = read_curve(_regular(path, layout.METRICS, _MAX_METRICS_BYTES))
        if state == FINISHED:
            result = _mapping(path, layout.RESULT)
            known["numbers"] = _numbers(result)
            known["env_id"] = printable(str(result.get("env_id") or known["env_id"]))
    except (AirlError, OSError) as error:
        return RunRecord(path, UNREADABLE, _reason(path, error), **known)
    return RunRecord(path, state, printable(reason), **known)


def read_config(run: Path) -> Mapping[str, Any]:
    """A run's `config.json` as plain data.

    Raises:
        AirlError: If there is none, or it is damaged.
    """
    return _mapping(run, layout.CONFIG)


def flatten(config: Mapping[str, Any]) -> dict[str, str]:
    """Dotted keys and values as text; lists are values.

    Raises:
        InvalidValueError: If it is nested too deeply or has too many keys to be a config.
    """
    flat: dict[str, str] = {}
    _add_leaves(flat, config, "", 0)
    return flat


def _add_leaves(flat: dict[str, str], node: Mapping[str, Any], prefix: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise InvalidValueError(f"it is nested more than {_MAX_DEPTH} levels deep")
    for key, value in node.items():
        if isinstance(value, dict) and value:
            _add_leaves(flat, value, f"{prefix}{key}.", depth + 1)
        else:
            flat[_printable_key(prefix + key)] = printable(config_text(value))
    if len(flat) > _MAX_KEYS:
        raise InvalidValueError(f"it has more than {_MAX_KEYS} keys")


@lru_cache(10_000)
def _determines_expert(key: str) -> bool:
    return key.startswith("expert.") and not keys.matches(key, _OF_NO_EXPERT)


_printable_key = lru_cache(10_000)(printable)  # a thousand runs share their few hundred keys


def _described(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    try:
        flat = flatten(config)
    except InvalidValueError as error:
        raise InvalidValueError(f"{layout.CONFIG} is damaged: {error.problem}") from error
    seed, source = config.get("seed"), config.get("run")
    transfer = "upper_bound" in config
    return {
        "command": "transfer" if transfer else "train",
        "env_id": flat.get("env.id") or flat.get("env._target_", "").rpartition(".")[2],
        "seed": seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        "config": flat,
        "source": source if transfer and isinstance(source, str) else "",
        "overrides": _overrides(path),
    }


def _overrides(run: Path) -> dict[str, str]:
    """The overrides that Hydra recorded; none where there is no such record, or it is damaged."""
    overrides = _yaml(run, _OVERRIDES)
    found = {}
    for override in overrides if isinstance(overrides, list) else []:
        if isinstance(override, str):
            key, _, value = override.partition("=")
            found[_override_key(key)] = printable(value)
    return found


def read_choices(run: Path) -> dict[str, str]:
    """The option of each config group that Hydra recorded, defaults included."""
    recorded = _yaml(run, _HYDRA_CONFIG)
    for key in ("hydra", "runtime", "choices"):
        recorded = recorded.get(key) if isinstance(recorded, dict) else None
    if not isinstance(recorded, dict):
        return {}
    return {_override_key(str(k)): printable(str(v)) for k, v in recorded.items() if v is not None}


def _override_key(key: str) -> str:
    """The dotted key of an override or a group, `a/b@c` being c; without `+` and `~`."""
    return printable(key.lstrip("+~").partition("@")[2] or key.lstrip("+~").replace("/", "."))


def _yaml(run: Path, name: str) -> Any:
    try:
        text = _regular(run, name, _MAX_YAML_BYTES).read_text(encoding="utf-8")
        return yaml.load(text, Loader=_SafeLoader)
    except (AirlError, OSError, ValueError, yaml.YAMLError, RecursionError):
        return None


def _state(path: Path, status: Mapping[str, Any]) -> tuple[str, str]:
    """The state, and why."""
    recorded, reason = status.get("status"), str(status.get("reason") or "")
    has_result = (path / layout.RESULT).exists()
    if recorded in (INTERRUPTED, FAILED):
        return str(recorded), reason
    if recorded == RUNNING:
        if _in_use(path):
            return RUNNING, ""
        return KILLED, "its process ended without recording a reason"
    if has_result:
        return FINISHED, ""
    return UNFINISHED, f"there is no {layout.RESULT}"


def _in_use(path: Path) -> bool:
    """Whether a process holds the run's lock; asking takes a shared lock for an instant.

    True where it cannot be asked: the recorded status is the best there is then.
    """
    try:
        handle = os.open(path / layout.LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _mapping(run: Path, name: str) -> Mapping[str, Any]:
    content = read_json(_regular(run, name))
    if not isinstance(content, dict):
        raise InvalidValueError(f"{name} is damaged: it holds no mapping")
    return content


def _regular(run: Path, name: str, max_bytes: int | None = None) -> Path:
    """A plain file of the run: a pipe would never end, a link may lead to anybody's secrets.

    Raises:
        InvalidValueError: If it is something else.
    """
    path = run / name
    if not path.exists():
        raise InvalidValueError(f"there is no {name}")
    if path.is_symlink() or not path.is_file():
        raise InvalidValueError(f"{name} is not a plain file")
    if max_bytes is not None and path.stat().st_size > max_bytes:
        raise InvalidValueError(f"{name} is larger than {max_bytes >> 20} MiB: not read")
    return path


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    numbers = {}
    for name in _NUMBERS:
        value = result.get(name)
        if value is None:
            continue
        numbers[name] = _finite(value, name)
    if "learner_return_mean" not in numbers:
        raise InvalidValueError(f"{layout.RESULT} is damaged: it has no learner_return_mean")
    return numbers


def _finite(value: Any, name: str) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        shown = printable(config_text(value), 40)
        raise InvalidValueError(f"{layout.RESULT} is damaged: {name} is {shown}")
    return number


def _reason(run: Path, error: AirlError | OSError) -> str:
    """Without the directory, which stands beside it."""
    text = error.problem if isinstance(error, AirlError) else error.strerror or str(error)
    return printable(text.replace(f"{run}{os.sep}", ""))
