"""The model card of a published run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from airl_cli.errors import AirlError
from airl_cli.evaluation.statistics import confidence_interval
from airl_cli.files import read_json
from airl_cli.runs import layout, summary
from airl_cli.runs.loading import LoadedRun
from airl_cli.text import printable

_INTRODUCTION = """\
A policy and a reward that airl-cli learned from demonstrations by adversarial inverse reinforcement
learning (Fu, Luo & Levine 2018, arXiv 1710.11248).
"""
_LOADING = """\
```python
import airl_cli

run = airl_cli.load_run("hf://{repo}")  # run.policy.predict(obs); nothing in it is executed
reward = airl_cli.load_reward("hf://{repo}")  # reward.predict(obs, acts, next_obs, dones)
```

`airl evaluate run=hf://{repo}` repeats the evaluation, and `airl verify run=<folder>` compares the
files with `manifest.json`.
"""


def model_card(run: LoadedRun, folder: Path, repo: str) -> str:
    """The card, in the format of the Hugging Face Hub: YAML, then Markdown.

    Args:
        run: A finished run.
        folder: Where the published files lie; pictures and videos in it are shown.
        repo: What the repository will be called.
    """
    result = run.result or {}
    env_id = printable(str(result.get("env_id", "")), 80)
    front = yaml.safe_dump(_front_matter(result, env_id, repo), sort_keys=False, allow_unicode=True)
    rows = [row for row in summary.facts(run.path, run.config, result) if row[0] != "run"]
    interval = _interval(run.path, result)
    if interval:
        rows.append(("95 % interval of the learner's return", interval))
    lines = [
        f"---\n{front}---\n",
        f"# {repo.partition('/')[2]}: {env_id}\n",
        _INTRODUCTION,
        "| | |\n|---|---|",
        *(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows),
        "",
        *_trust(run.path),
        *_pictures(folder),
        "## Use\n",
        _LOADING.format(repo=repo),
        "## How it was made\n",
        *_origin(run.path),
    ]
    return "\n".join(lines) + "\n"


def _front_matter(result: Mapping[str, Any], env_id: str, repo: str) -> dict[str, Any]:
    mean, std = (
        summary.number_of(result.get(f"learner_return_{what}")) for what in ("mean", "std")
    )
    return {
        "library_name": "airl-cli",
        "tags": ["reinforcement-learning", "inverse-reinforcement-learning", "airl", env_id],
        "model-index": [
            {
                "name": repo.partition("/")[2],
                "results": [
                    {
                        "task": {
                            "type": "reinforcement-learning",
                            "name": "reinforcement-learning",
                        },
                        "dataset": {"name": env_id, "type": env_id},
                        "metrics": [
                            {
                                "type": "mean_reward",
                                "value": f"{mean:.2f} +/- {std:.2f}",
                                "name": "mean_reward",
                                "verified": False,
                            }
                        ],
                    }
                ],
            }
        ],
    }


def _interval(path: Path, result: Mapping[str, Any]) -> str:
    try:
        found = read_json(path / layout.EVALUATION)
        returns = [float(value) for value in found["learner_returns"]]
    except (AirlError, KeyError, TypeError, ValueError):
        return ""
    if len(returns) < 2 or not np.isfinite(returns).all():
        return ""
    low, high = confidence_interval(returns)
    return f"[{low:,.4g}, {high:,.4g}]"


def _trust(path: Path) -> Iterator[str]:
    """What `airl reward` found."""
    try:
        verdict = read_json(path / layout.REWARD_REPORT).get("verdict")
    except (AirlError, AttributeError):
        return
    if isinstance(verdict, Mapping):
        yield "## The reward\n"
        yield f"It looks {printable(str(verdict.get('word', '')), 300)}:\n"
        for reason in list(verdict.get("reasons", []))[:10]:
            yield f"- {printable(str(reason), 300)}"
        yield ""


def _pictures(folder: Path) -> Iterator[str]:
    for name in ("learning_curve", "reward_heat_map", "reward"):
        if (folder / layout.PLOTS / f"{name}.png").is_file():
            yield f"![{name.replace('_', ' ')}]({layout.PLOTS}/{name}.png)\n"
    for video in sorted((folder / layout.VIDEOS).glob("*.mp4"))[:2]:
        yield f'<video controls src="{layout.VIDEOS}/{video.name}"></video>\n'


def _origin(path: Path) -> Iterator[str]:
    try:
        machine = read_json(path / layout.ENVIRONMENT)
    except AirlError:
        machine = {}
    command = machine.get("command") if isinstance(machine, Mapping) else None
    if isinstance(command, list):
        typed = [printable(str(word), 200) for word in command[1:] if "dir=" not in str(word)]
        yield f"```\n{' '.join(['airl train', *typed])}\n```\n"
    versions = machine.get("versions") if isinstance(machine, Mapping) else None
    if isinstance(versions, Mapping):
        shown = ", ".join(
            f"{printable(str(k), 40)} {printable(str(v), 40)}" for k, v in versions.items()
        )
        yield f"{shown}; {printable(str(machine.get('cpu', '')), 80)}.\n"
    try:
        expert = read_json(path / layout.PROVENANCE)
    except AirlError:
        return
    if isinstance(expert, Mapping):
        facts = {key: expert.get(key) for key in ("source", "n_episodes", "return_mean")}
        yield f"Demonstrations: `{json.dumps(facts)[:300]}`."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
