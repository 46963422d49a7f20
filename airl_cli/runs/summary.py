"""A run in ten lines, and in a notebook."""

from __future__ import annotations

import base64
import html
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airl_cli.errors import AirlError
from airl_cli.evaluation import plots
from airl_cli.runs import layout
from airl_cli.runs.metrics import read_metrics
from airl_cli.text import printable

_STYLE = "border-collapse:collapse;text-align:left"


def facts(
    path: Path, config: Mapping[str, Any], result: Mapping[str, Any] | None
) -> list[tuple[str, str]]:
    """What a run was and what came out, as names and values; both may be shown anywhere.

    Args:
        path: The run directory.
        config: Its config.
        result: `result.json`; None where the run did not finish.
    """
    found = [
        ("run", printable(str(path), 200)),
        ("environment", _text((result or {}).get("env_id") or _of(config, "env", "id"))),
        ("trained with", f"{_class(config, 'trainer')}, {_class(config, 'generator')}"),
        ("reward net", _class(config, "reward")),
        ("seed", _text(config.get("seed"))),
    ]
    if result is None:
        return [*found, ("result", "none: the run did not finish")]
    episodes = _number(result.get("n_eval_episodes"))
    found += [
        ("environment steps", _number(result.get("env_steps"))),
        ("learner's return", f"{_spread(result, 'learner')}, {episodes} episodes"),
        ("expert's return", _number(result.get("expert_return_mean"))),
        ("return of random actions", _number(result.get("random_return_mean"))),
        ("normalised score", _score(result)),
    ]
    if result.get("retrain_score") is not None:
        found.append(("retrain score", _number(result["retrain_score"])))
    return found


def as_text(rows: list[tuple[str, str]]) -> str:
    """Names and values in two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def as_html(rows: list[tuple[str, str]], path: Path, result: Mapping[str, Any] | None) -> str:
    """A table, and the learning curve of the run's `metrics.csv`, drawn here."""
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    )
    return f'<table style="{_STYLE}">{cells}</table>{_curve(path, result or {})}'


def _curve(path: Path, result: Mapping[str, Any]) -> str:
    try:
        rows = read_metrics(path / layout.METRICS)
    except (AirlError, OSError):
        return ""
    if not rows or not {"env_steps", "true_return_mean"} <= set(rows[0]):
        return ""
    expert, random = (number_of(result.get(f"{who}_return_mean")) for who in ("expert", "random"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "curve.png"
        plots.learning_curve(rows, expert, random, file)
        picture = base64.b64encode(file.read_bytes()).decode()
    text = "True return over environment steps"
    return f'<img alt="{text}" style="max-width:620px" src="data:image/png;base64,{picture}">'


def _of(config: Mapping[str, Any], section: str, key: str) -> Any:
    node = config.get(section)
    return node.get(key) if isinstance(node, Mapping) else None


def _class(config: Mapping[str, Any], section: str) -> str:
    target = _of(config, section, "_target_")
    return _text(target.rpartition(".")[2]) if isinstance(target, str) else "-"


def _text(value: Any) -> str:
    return printable(value if isinstance(value, str) else _number(value), 80)


def number_of(value: Any) -> float:
    """A value of a JSON file as a number; NaN where it is none, or out of range."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 else math.nan


def _number(value: Any) -> str:
    number = number_of(value)
    if math.isnan(number):
        return "-"
    return f"{number:,.0f}" if number == int(number) else f"{number:,.4g}"


def _spread(result: Mapping[str, Any], who: str) -> str:
    return " ± ".join(_number(result.get(f"{who}_return_{what}")) for what in ("mean", "std"))


def _score(result: Mapping[str, Any]) -> str:
    reason, score = result.get("no_score_because"), number_of(result.get("normalized_score"))
    if isinstance(reason, str):
        return f"none: {printable(reason, 200)}"
    return "-" if math.isnan(score) else f"{score:.3f}"
