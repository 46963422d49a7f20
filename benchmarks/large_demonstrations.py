"""How much memory does training on a large demonstration file take?

Writes a file of 16 MiB and one of 2 GiB (21 million transitions of seals/HalfCheetah's shapes, of
random numbers: only the memory is of interest), trains on each with the same command, and prints
the peak resident memory of both processes.

    python benchmarks/large_demonstrations.py [folder]  # needs airl-cli[mujoco], 2.1 GB of disk
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gymnasium import spaces

from airl_cli.data import TrajectoryWithRew, storage

STEPS = 1000
OBS, ACTS = 18, 6
BYTES = (OBS + ACTS + 1) * 4
SIZES = {"small": 2**24, "large": 2**31}  # bytes
COMMAND = (
    "train",
    "env=gym",
    "env.id=seals/HalfCheetah-v1",
    "recipe=none",
    "expert=trajectories",
    "trainer.total_timesteps=100000",
    "trainer.demo_batch_size=512",
    "trainer.n_disc_updates_per_round=8",
    "evaluation.n_episodes=2",
    "verbose=false",
)


class RandomEpisodes(Sequence[TrajectoryWithRew]):
    """Episodes that are made when they are asked for, each time alike."""

    def __init__(self, n_episodes: int) -> None:
        self._n_episodes = n_episodes

    def __len__(self) -> int:
        return self._n_episodes

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        if not 0 <= index < self._n_episodes:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        return TrajectoryWithRew(
            obs=rng.standard_normal((STEPS + 1, OBS), dtype=np.float32),
            acts=2 * rng.random((STEPS, ACTS), dtype=np.float32) - 1,
            infos=None,
            terminal=False,
            rews=rng.standard_normal(STEPS, dtype=np.float32),
        )


def train(path: Path, folder: Path) -> tuple[float, float]:
    """Peak resident memory (MiB) and seconds of `airl train` on a file."""
    started = time.perf_counter()
    arguments = [*COMMAND, f"expert.path={path}", f"hydra.run.dir={folder / path.stem}"]
    process = subprocess.Popen([sys.executable, "-m", "airl_cli", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"airl {' '.join(arguments)} failed")
    return usage.ru_maxrss / 1024, time.perf_counter() - started


def main() -> None:
    """Write, train, print."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder = Path(name)
        peaks = {}
        for size, n_bytes in SIZES.items():
            path = folder / f"{size}.safetensors"
            episodes = RandomEpisodes(-(-n_bytes // (STEPS * BYTES)))
            started = time.perf_counter()
            storage.save(
                path,
                episodes,
                observation_space=spaces.Box(-np.inf, np.inf, (OBS,), np.float32),
                action_space=spaces.Box(-1, 1, (ACTS,), np.float32),
            )
            written = time.perf_counter() - started
            peaks[size], seconds = train(path, folder)
            print(
                f"{size}: {path.stat().st_size / 2**20:,.0f} MiB, {len(episodes) * STEPS:,} "
                f"transitions, written in {written:.0f} s, trained in {seconds:.0f} s, "
                f"peak memory {peaks[size]:,.0f} MiB",
                flush=True,
            )
            path.unlink()
        print(f"difference: {peaks['large'] - peaks['small']:,.0f} MiB")


if __name__ == "__main__":
    main()
