"""Kills training jobs with SIGKILL at random moments, and compares what they end with.

    python benchmarks/faults/kills.py --kills 50 --out benchmarks/faults/kills.json
    python benchmarks/faults/kills.py --kills 10 --multirun        # sweeps of two jobs in joblib

Every job is killed and resumed several times and must then be equal to the same job left alone:
weights to the bit, result.json, metrics.csv and TensorBoard points. Kills come at random moments
from the start of the process to its end, half of them while a checkpoint is being written. Ends
with exit code 1 if a run is corrupted or cannot be resumed. `--multirun` kills a whole sweep,
launcher and workers at once; it is started again with `resume=auto`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import subprocess
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
    parser.add_argument("--multirun", action="store_true", help="kill sweeps of two jobs")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    from airl_cli.commands import train  # noqa: F401 - forks have it imported

    start, rng = time.monotonic(), random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        kill = multirun_trials if options.multirun else trials
        records, jobs = kill(Path(folder), options.kills, options.rounds, rng)
    summary = {
        "command": f"python benchmarks/faults/kills.py --kills {options.kills} "
        f"--rounds {options.rounds} --seed {options.seed}" + " --multirun" * options.multirun,
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


def multirun_trials(
    folder: Path, kills: int, rounds: int, rng: random.Random
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Sweeps of two seeds of each generator in turn, killed with all their processes."""
    records: list[dict[str, Any]] = []
    jobs: list[dict[str, Any]] = []
    longest: dict[str, float] = {}  # by generator, seconds of its sweep when left alone
    while len(records) < kills:
        kind = list(faults.GENERATORS)[len(jobs) // 2 % len(faults.GENERATORS)]
        if kind not in longest:
            begun = time.monotonic()
            sweep_to_end(kind, rounds, folder / f"{kind}-alone")
            longest[kind] = time.monotonic() - begun
        place = folder / f"{kind}-{len(jobs)}"
        found: list[dict[str, Any]] = []
        more = min(6, kills - len(records))
        while len(found) < more and (
            record := killed_sweep(kind, rounds, place, rng, longest[kind])
        ):
            found.append(record)
        problems: list[str] = []
        try:
            sweep_to_end(kind, rounds, place)
        except subprocess.CalledProcessError as error:
            problems = [f"cannot be resumed: {error.stderr[-500:]}"]
        for run in ("0", "1"):
            alone = folder / f"{kind}-alone" / run
            differing = problems or list(faults.differences(place / run, alone))
            jobs.append({"generator": kind, "kills": len(found), "differences": differing})
        print(f"{kind}: {len(found)} kills, {jobs[-2:]}", flush=True)
        records += found
    return records, jobs


def _sweep(kind: str, rounds: int, folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "airl_cli"),
        *faults.command(kind, rounds, "-m", "seed=0,1", "hydra/launcher=joblib"),
        *("hydra.launcher.n_jobs=2", "trainer.checkpoint_every=2", "resume=auto"),
        *(f"hydra.sweep.dir={folder}", "hydra.sweep.subdir=${hydra:job.num}"),
    ]


def sweep_to_end(kind: str, rounds: int, folder: Path) -> None:
    """Runs, or resumes, a sweep; it must succeed."""
    subprocess.run(_sweep(kind, rounds, folder), check=True, capture_output=True, text=True)


def _kill_all(session: int) -> None:
    """SIGKILL to all processes of a session, stopped first so that none sees another one die."""
    for sent in (signal.SIGSTOP, signal.SIGKILL):
        for pid in [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]:
            with contextlib.suppress(OSError):
                if os.getsid(pid) == session:
                    os.kill(pid, sent)


def killed_sweep(
    kind: str, rounds: int, folder: Path, rng: random.Random, longest: float
) -> dict[str, Any] | None:
    """Kills launcher and workers, half of the times while job 0 writes a checkpoint.

    Returns:
        What was there; None if no job was left to kill.
    """
    if all((folder / run / "result.json").is_file() for run in ("0", "1")):
        return None
    aimed = max(faults.checkpoints(folder / "0"), default=0) + 2 * rng.randint(1, 5)
    late = faults.after(rng.uniform(0, longest))
    moment = faults.inside_checkpoint(folder / "0", aimed) if rng.random() < 0.5 else late
    process = subprocess.Popen(
        _sweep(kind, rounds, folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not moment():
        time.sleep(0.0005)
    if process.poll() is not None:
        return None
    _kill_all(process.pid)
    process.wait()
    runs = [path for path in (folder / "0", folder / "1") if path.is_dir()]
    newest = [max(faults.checkpoints(run), default=0) for run in runs]
    done = [len(faults.rows(run)) for run in runs]
    lost = [max(0, n - c) for n, c in zip(done, newest, strict=True)]
    return {
        "generator": kind,
        "inside_checkpoint": any(faults.inside(run) for run in runs),
        "rounds_done": max(done, default=0),
        "checkpoint": max(newest, default=0),
        "rounds_lost": max(lost, default=0),
    }


if __name__ == "__main__":
    sys.exit(main())
