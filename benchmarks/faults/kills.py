"""Kills training jobs with SIGKILL at random moments, and compares what they end with.

    python benchmarks/faults/kills.py --kills 50 --out benchmarks/faults/kills.json

Every job is killed and resumed several times and must then be equal to the same job left alone:
weights to the bit, result.json, metrics.csv and TensorBoard points. Kills come at random moments
from the start of the process to its end, half of them while a checkpoint is being written. Ends
with exit code 1 if a run is corrupted or cannot be resumed.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import torch  # noqa: E402

from support import faults  # noqa: E402


def main() -> int:
    """Kills, prints the summary and writes it to `--out`; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=24, help="of each job")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    from airl_cli.commands import train  # noqa: F401 - forks have it imported

    start, rng = time.monotonic(), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        records, jobs = trials(Path(folder), options.kills, options.rounds, rng)
    summary = {
        "command": f"python benchmarks/faults/kills.py --kills {options.kills} "
        f"--rounds {options.rounds} --seed {options.seed}",
        "kills": len(records),
        "kills_inside_a_checkpoint": sum(record["inside_checkpoint"] for record in records),
        "kills_before_the_first_checkpoint": sum(not record["checkpoint"] for record in records),
        "most_rounds_lost": max(record["rounds_lost"] for record in records),
        "checkpoint_every": 2,
        "jobs": len(jobs),
        "jobs_that_ended_differently": [job for job in jobs if job["differences"]],
        "corrupted_or_unresumable": sum(bool(job["differences"]) for job in jobs),
        "seconds": round(time.monotonic() - start),
        "machine": {"python": platform.python_version(), "torch": torch.__version__},
    }
    print(json.dumps(summary, indent=2))
    if options.out:
        content = {**summary, "each": records}
        options.out.write_text(json.dumps(content, indent=2) + "\n")
    return int(summary["corrupted_or_unresumable"] > 0)


def trials(
    folder: Path, kills: int, rounds: int, rng: random.Random
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Jobs with each generator in turn, until there were enough kills."""
    references, longest = {}, {}
    for kind in faults.GENERATORS:
        references[kind] = folder / f"{kind}-alone"
        begun = time.monotonic()
        arguments = faults.command(
            kind, rounds, "trainer.checkpoint_every=null", f"hydra.run.dir={references[kind]}"
        )
        faults.run_to_end(arguments, folder / f"{kind}.txt")
        longest[kind] = time.monotonic() - begun
    records: list[dict[str, Any]] = []
    jobs: list[dict[str, Any]] = []
    while len(records) < kills:
        kind = list(faults.GENERATORS)[len(jobs) % len(faults.GENERATORS)]
        place = folder / f"{kind}-{len(jobs)}"
        place.mkdir()
        more = min(6, kills - len(records))
        try:
            found = faults.killed_often(kind, rounds, more, place, rng, longest[kind])
            differing = list(faults.differences(place / "run", references[kind]))
        except AssertionError as error:
            found, differing = [], [f"cannot be resumed: {error}"]
        records += found
        jobs.append({"generator": kind, "kills": len(found), "differences": differing})
        print(f"{kind}: {len(found)} kills, {differing or 'the same to the bit'}", flush=True)
    return records, jobs


if __name__ == "__main__":
    sys.exit(main())
