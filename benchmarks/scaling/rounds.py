"""Memory over many rounds of a real `airl train`, seen from outside."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Small rounds: what would grow by the round grows as fast as in long ones.
OVERRIDES = (
    *("env=cartpole", "expert=random", "expert.n_episodes=4", "recipe=none", "verbose=false"),
    *("generator.n_steps=16", "generator.batch_size=128", "generator.n_epochs=1"),
    *("trainer.demo_batch_size=128", "trainer.n_disc_updates_per_round=1"),
)


def resident_mib(pid: int) -> float | None:
    """What a process holds now; None where it has ended."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def memory_over_rounds(rounds: int, first: int = 100) -> dict[str, Any]:
    """Trains, with metrics, TensorBoard and checkpoints as users have them.

    Args:
        rounds: How many.
        first: The growth is counted from this round on; before it caches fill.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "airl_cli", "train", *OVERRIDES, f"hydra.run.dir={run}"]
        process = subprocess.Popen([*command, f"trainer.total_timesteps={128 * rounds}"])
        samples: list[tuple[int, float]] = []
        while process.poll() is None:
            done = _rounds_done(run / "metrics.csv")
            held = resident_mib(process.pid)
            if done and held and (not samples or done > samples[-1][0]) and done < rounds:
                samples.append((done, round(held, 1)))
            time.sleep(0.2)
        assert process.returncode == 0, "the training failed"
    begin = next(held for done, held in samples if done >= first)
    end_round, end = samples[-1]
    return {
        "rounds": rounds,
        "mib_at": {str(done): held for done, held in samples[:: max(1, len(samples) // 20)]},
        "from_round": first,
        "to_round": end_round,
        "begin_mib": begin,
        "end_mib": end,
        "growth": round(end / begin - 1, 4),
    }


def _rounds_done(metrics: Path) -> int:
    try:
        with metrics.open("rb") as file:
            return sum(1 for _ in file) - 1
    except OSError:
        return 0
