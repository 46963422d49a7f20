"""AIRL's training time over that of the same PPO on the environment's own reward.

    python -m benchmarks.overhead.run cartpole half_cheetah

For airl-cli (its recipes) and `imitation` 1.0.1 (its own settings, see `common/imitation_airl.py`):
a round of AIRL and as many steps of PPO with the same hyperparameters take turns in one process, so
that both see the same machine. `stock PPO` is `stable_baselines3.PPO` with its default optimiser
implementation; `same generator` is whatever class and optimiser the recipe names. Shares are of
AIRL's processor time. Results go to `benchmarks/overhead/overhead.{json,md}`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import imitation_venv
from benchmarks.common.report import conditions, footer, worker, write
from benchmarks.time_to_expert.run import recorded

HERE = Path(__file__).parent
# Of each library, so that all take about as long: imitation's rounds are 8 and 4 times longer.
ROUNDS = {"airl_cli": {"cartpole": 40, "half_cheetah": 40}}
ROUNDS["imitation"] = {"cartpole": 6, "half_cheetah": 10}
PHASES = ("rollout", "pricing", "discriminator", "policy update", "other")


def table(facts: dict[str, Any]) -> list[str]:
    """A row per task and library."""
    lines = [
        "| task | library | AIRL / stock PPO | AIRL / same generator | AIRL, steps per second | "
        + " | ".join(PHASES)
        + " |",
        "|---" * (5 + len(PHASES)) + "|",
    ]
    for row in facts["rows"]:
        over = {name: row["overhead"].get(name) for name in ("stock PPO", "same generator")}
        cells = [
            f"**{r['cpu_seconds']:.2f}** ({r['wall_seconds']:.2f})" if r else "as left"
            for r in over.values()
        ]
        shares = [f"{row['shares'].get(phase, 0):.0%}" for phase in PHASES]
        speed = f"{row['AIRL']['steps_per_cpu_second']:,}"
        lines.append(
            "| " + " | ".join([row["task"], row["library"], *cells, speed, *shares]) + " |"
        )
    note = "Ratios and speeds of processor time, in brackets of time on the clock. "
    return [*lines, "", note + footer(facts)]


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tasks", nargs="+", choices=sorted(ROUNDS["airl_cli"]))
    parser.add_argument("--venv", type=Path, default=imitation_venv.DEFAULT)
    parser.add_argument("--experts", type=Path, default=Path("outputs/experts"))
    parser.add_argument("--overrides", nargs="*", default=[], help="for airl-cli's config")
    options = parser.parse_args()
    python = imitation_venv.python_of(options.venv)
    facts: dict[str, Any] = {**conditions("benchmarks.overhead.run"), "rows": []}
    for task in options.tasks:
        demonstrations = str(recorded(task, options.experts))
        overrides = ["--overrides", *options.overrides] if options.overrides else []
        for library, interpreter, more in (
            ("airl_cli", sys.executable, overrides),
            ("imitation", python, []),
        ):
            rounds = str(ROUNDS[library][task])
            module = f"benchmarks.overhead.{library}_worker"
            row = worker(interpreter, module, task, demonstrations, rounds, *more)
            facts["rows"].append({"task": task, "library": library, **row})
    write(HERE, "overhead", facts, table(facts))


if __name__ == "__main__":
    main()
