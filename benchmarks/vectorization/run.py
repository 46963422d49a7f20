"""Steps per second of `env.vectorization=threads` and `native` over those of `dummy`, by turns.

    python -m benchmarks.vectorization.run
    python -m benchmarks.vectorization.run --cores 1.7      # HalfCheetah, while two cores are free

HalfCheetah-v5 in threads and CartPole-v1 as Gymnasium registers it vectorised, each beside `dummy`
in the same process; random actions, nothing is trained, one torch thread. What counts is the median
of the ratios of neighbouring turns. Threads gain by the clock, and only where cores are free:
before every fifth turn two threads compute SHA-256 sums, which leaves the interpreter as MuJoCo
does; how many cores they got is in the table (1: others had the second core). With `--cores` only
those blocks of five turns count before and behind which the two threads got so many; it waits for
them. Results go to `benchmarks/vectorization/vectorization.{json,md}`, or `free_cores.{json,md}`.
"""

from __future__ import annotations

import argparse
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from airl_cli.envs import EnvSpec
from airl_cli.envs.make import Vectorization
from airl_cli.envs.speed import Pace, by_turns
from airl_cli.envs.threads import usable_cores
from benchmarks.common.report import conditions, footer, median, write

HERE = Path(__file__).parent
CASES: tuple[tuple[str, int, Vectorization], ...] = (
    ("HalfCheetah-v5", 8, "threads"),
    ("HalfCheetah-v5", 16, "threads"),
    ("CartPole-v1", 8, "native"),
    ("CartPole-v1", 16, "native"),
    ("CartPole-v1", 64, "native"),
)
_DATA = bytes(1 << 24)


def free_cores() -> float:
    """Cores that as many threads as there are cores get at the moment."""
    threads = [
        threading.Thread(target=lambda: hashlib.sha256(_DATA).digest())
        for _ in range(usable_cores())
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def blocks(
    env: EnvSpec, ways: tuple[Vectorization, ...], turns: int, cores: float, patience: float
) -> Iterator[tuple[float, dict[Vectorization, Pace]]]:
    """Free cores and paces of five turns each, until there are enough or patience ends."""
    kept, until = 0, time.monotonic() + patience
    while kept < turns and time.monotonic() < until:
        before = free_cores()
        if before < cores:
            time.sleep(1)
            continue
        paces = by_turns(env, ways, turns=5)
        free = min(before, free_cores()) if cores else before
        if free >= cores:
            kept += 5
            yield free, paces


def measure(
    env_id: str, n_envs: int, way: Vectorization, turns: int, cores: float, patience: float
) -> dict[str, Any]:
    """Both ways by turns, in blocks of five with a look at the cores."""
    ways: tuple[Vectorization, ...] = ("dummy", way)
    paces = {name: Pace([], []) for name in ways}
    free: list[float] = []
    for now, block in blocks(EnvSpec(env_id, n_envs=n_envs), ways, turns, cores, patience):
        free.append(now)
        for name, pace in block.items():
            paces[name].wall.extend(pace.wall)
            paces[name].cpu.extend(pace.cpu)
    if not free:
        raise SystemExit(f"never were {cores} cores free within {patience:.0f} s")
    ratios = {
        field: np.array(getattr(paces[way], field)) / np.array(getattr(paces["dummy"], field))
        for field in Pace._fields
    }
    row: dict[str, Any] = {"env": env_id, "n_envs": n_envs, "way": way, "turns": 5 * len(free)}
    for name in ways:
        key = "dummy" if name == "dummy" else "other"
        row[key] = {f: round(median(getattr(paces[name], f))) for f in Pace._fields}
    for field, values in ratios.items():
        row[f"ratio_{field}"] = [round(float(q), 3) for q in np.quantile(values, (0.25, 0.5, 0.75))]
    row["free_cores"] = [round(float(q), 2) for q in np.quantile(free, (0.25, 0.5, 0.75))]
    return row


def table(facts: dict[str, Any]) -> list[str]:
    """A row per case."""
    lines = [
        "| environment | copies | way | steps/s, `dummy` | steps/s | ratio (quartiles) | "
        "ratio by processor time | cores that two threads got |",
        "|---" * 8 + "|",
    ]
    for row in facts["rows"]:
        low, middle, high = row["ratio_wall"]
        lines.append(
            f"| {row['env']} | {row['n_envs']} | `{row['way']}` | {row['dummy']['wall']:,} | "
            f"{row['other']['wall']:,} | **{middle:.2f}** ({low:.2f} to {high:.2f}) | "
            f"{row['ratio_cpu'][1]:.2f} | {row['free_cores'][1]:.2f} |"
        )
    note = "Medians; steps of single copies, by the clock. "
    return [*lines, "", note + footer(facts).replace("one thread", "one torch thread")]


def main() -> None:
    """Measures, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=40, help="of each way, a multiple of five")
    parser.add_argument("--cores", type=float, default=0.0, help="that must be free; 0: any")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds, for each case")
    options = parser.parse_args()
    th.set_num_threads(1)
    facts: dict[str, Any] = {**conditions("benchmarks.vectorization.run"), "rows": []}
    for case in CASES:
        if options.cores and case[2] != "threads":
            continue
        row = measure(*case, options.turns, options.cores, options.patience)
        facts["rows"].append(row)
        print(row, flush=True)
    write(HERE, "free_cores" if options.cores else "vectorization", facts, table(facts))


if __name__ == "__main__":
    main()
