"""What checkpoints cost: the share of a CartPole training that goes into writing them.

    python benchmarks/checkpoint_cost.py --out benchmarks/checkpoint_cost.json

Trains with the tuned settings of `env=cartpole generator=ppo` and a checkpoint every 10 rounds,
without the limit that `trainer.checkpoint_share` sets, and times every write. Demonstrations are
random ones: they change nothing about the time of a round.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from airl_cli.cli import main as airl
from airl_cli.runs.checkpoint import CheckpointWriter


def main() -> None:
    """Trains, prints the summary and writes it to `--out`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--share", default="null", help="trainer.checkpoint_share")
    parser.add_argument("--overrides", nargs="*", default=["env=cartpole"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seconds: list[float] = []
    write = CheckpointWriter.write

    def timed(self: CheckpointWriter, *arguments: Any) -> bool:
        start = time.perf_counter()
        written = write(self, *arguments)
        seconds.append(time.perf_counter() - start)
        return written

    CheckpointWriter.write = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        code = airl(
            [
                *("train", *options.overrides, "expert=random", f"hydra.run.dir={run}"),
                *(
                    f"trainer.checkpoint_every={options.every}",
                    f"trainer.checkpoint_share={options.share}",
                ),
                "verbose=false",
            ]
        )
        assert code == 0
        result = json.loads((run / "result.json").read_text())
        newest = max((run / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
        size = sum(path.stat().st_size for path in newest.iterdir())
    summary = {
        "overrides": options.overrides,
        "checkpoint_every": options.every,
        "checkpoint_share": options.share,
        "rounds": result["rounds"],
        "checkpoints": len(seconds),
        "seconds_per_checkpoint": round(sum(seconds) / len(seconds), 4),
        "bytes_per_checkpoint": size,
        "train_seconds": result["train_seconds"],
        "share_of_training": round(sum(seconds) / result["train_seconds"], 5),
        "torch": torch.__version__,
    }
    print(json.dumps(summary, indent=2))
    if options.out:
        options.out.write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main()
