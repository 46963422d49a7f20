"""Run directories as `airl train` and `airl transfer` leave them, without any training."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airl_cli.runs import layout

CONFIG: Mapping[str, Any] = {
    "device": "auto",
    "env": {"_target_": "airl_cli.envs.EnvSpec", "id": "seals/CartPole-v0", "n_envs": 8},
    "expert": {"_target_": "airl_cli.experts.TrainedExpert", "cache_dir": "outputs/experts"},
    "generator": {
        "_target_": "stable_baselines3.PPO",
        "gamma": 0.99,
        "learning_rate": 0.001,
        "batch_size": 64,
    },
    "reward": {"_target_": "airl_cli.rewards.BasicRewardNet", "use_action": True},
    "seed": 0,
    "trainer": {"_target_": "airl_cli.algorithms.AIRL", "total_timesteps": 4096},
    "verbose": True,
}
EXPERT, RANDOM = 500.0, 0.0


def make_run(
    path: Path,
    *,
    seed: int = 0,
    returns: float = 400.0,
    status: str = "finished",
    curve: Sequence[float] = (0.0, 100.0, 400.0),
    result: Mapping[str, Any] | None = None,
    typed: Sequence[str] = (),
    written: str = "2026-01-01T00:00:00+00:00",
    **changes: Any,
) -> Path:
    """Writes a run.

    Args:
        path: The directory.
        seed: Of the config.
        returns: The learner's.
        status: What `status.json` says; without a result unless it is "finished".
        curve: True returns after 1000, 2000, ... steps and 10, 20, ... seconds.
        result: Further entries of `result.json`.
        typed: Overrides, as recorded by Hydra.
        written: The time in `status.json`.
        **changes: Of the config, dots written as two underscores.
    """
    path.mkdir(parents=True)
    config = copy.deepcopy(dict(CONFIG))
    for key, value in {"seed": seed, **changes}.items():
        *parents, last = key.split("__")
        node = config
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    dump(path / "config.json", config)
    dump(path / "status.json", {"status": status, "reason": "", "pid": 1, "written": written})
    lines = ["round,env_steps,true_return_mean,disc_loss,seconds"]
    lines += [f"{i},{1000 * (i + 1)},{r},0.5,{10 * (i + 1)}" for i, r in enumerate(curve)]
    (path / "metrics.csv").write_text("\r\n".join([*lines, ""]))
    if status == "finished":
        outcome = {
            "env_id": config["env"].get("id", "airl/PointMaze-v0"),
            "seed": seed,
            "learner_return_mean": returns,
            "expert_return_mean": EXPERT,
            "random_return_mean": RANDOM,
            "normalized_score": (returns - RANDOM) / (EXPERT - RANDOM),
        }
        dump(path / "result.json", {**outcome, **(result or {})})
    if typed:
        (path / ".hydra").mkdir()
        (path / ".hydra" / "overrides.yaml").write_text("".join(f"- {o}\n" for o in typed))
    return path


def dump(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def as_received(run: Path) -> None:
    """Makes a run directory one that somebody else may have sent."""
    (run / layout.SIGNATURE).unlink()
