"""Training jobs in processes that can be killed, and what must be equal afterwards.

Used by the tests and by `benchmarks/faults`, which does the same for longer.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

_PPO = [
    *("generator=ppo", "generator.n_steps=32", "generator.n_epochs=2"),
    *("generator.learning_rate=1e-3", "trainer.disc_lr_schedule=null"),
]

GENERATORS: dict[str, list[str]] = {
    "ppo": ["env=cartpole", *_PPO],
    "ensemble": ["env=cartpole", "reward=ensemble", *_PPO],
    # Its episodes end early: 8 random ones have more steps than a batch.
    "absorbing": ["env=gym", "env.id=CartPole-v1", "expert.n_episodes=8", *_PPO],
    "a2c": ["env=cartpole", "generator=a2c", "generator.n_steps=32"],
    "sac": [
        *("env=pendulum", "generator=sac", "trainer.gen_train_timesteps=256"),
        *("generator.learning_starts=300", "generator.batch_size=64", "generator.train_freq=4"),
    ],
}
"""Small jobs with each kind of state to resume; 256 steps a round, and demonstrations of no use."""

COMMON = [
    *("recipe=none", "recipe/expert=none", "expert=random", "expert.n_episodes=2", "env.n_envs=8"),
    *("trainer.demo_batch_size=64", "trainer.n_disc_updates_per_round=1"),
    *("trainer.checkpoint_share=null", "evaluation.n_episodes=2", "device=cpu", "verbose=false"),
]


def command(kind: str, rounds: int, *more: str) -> list[str]:
    """Arguments of `airl` for a small job."""
    return ["train", *COMMON, *GENERATORS[kind], f"trainer.total_timesteps={rounds * 256}", *more]


# -- processes that can be killed --------------------------------------------------------------


def start(arguments: Sequence[str], output: Path) -> int:
    """Runs `airl` in a fork of this process, which has imported everything; gives its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    with contextlib.suppress(BaseException):
        from airl_cli.cli import main

        with output.open("a", buffering=1) as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main(arguments)
        sys.stdout.flush()
    os._exit(code)


def exit_code(pid: int) -> int:
    """Waits; negative for a signal, as in `subprocess`."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def alive(pid: int) -> bool:
    """Whether it still runs; it can be waited for then."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def run_to_end(arguments: Sequence[str], output: Path) -> None:
    """Runs `airl` in a fork; it must succeed."""
    code = exit_code(start(arguments, output))
    assert code == 0, f"exit code {code}:\n{output.read_text()}"


def after(seconds: float) -> Callable[[], bool]:
    """True when so much time has passed."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def inside_checkpoint(run: Path, number: int) -> Callable[[], bool]:
    """True while the checkpoint after that round is being written (or when it is too late)."""
    root = run / "checkpoints"

    def moment() -> bool:
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(root) if name.split(".")[-1] != "final"]
            begun = [int(name.split(".")[1]) for name in names if name.startswith(".")]
            done = [int(name) for name in names if name.isdecimal()]
            return any(n >= number for n in begun) or any(n > number for n in done)
        return False

    return moment


def kill_at(pid: int, moment: Callable[[], bool], sent: int = signal.SIGKILL) -> bool:
    """Sends a signal at a moment; False if the process had ended before."""
    while alive(pid):
        if moment():
            os.kill(pid, sent)
            break
        time.sleep(0.0005)
    return exit_code(pid) == -sent


# -- what a run directory says -----------------------------------------------------------------


def rows(run: Path) -> list[dict[str, str]]:
    """Complete rows of metrics.csv, without what differs between machines."""
    if not (run / "metrics.csv").is_file():
        return []
    with (run / "metrics.csv").open(newline="") as file:
        found = [row for row in csv.DictReader(file) if None not in row.values()]
    clocks = ("seconds", "steps_per_second")
    return [{k: v for k, v in row.items() if k not in clocks} for row in found]


def checkpoints(run: Path) -> list[int]:
    """Rounds of the checkpoints that are complete, ascending."""
    found = (run / "checkpoints").glob("*/manifest.json")
    return sorted(int(path.parent.name) for path in found if path.parent.name.isdecimal())


def inside(run: Path) -> bool:
    """Whether a checkpoint was being written when the process ended."""
    return any((run / "checkpoints").glob(".*.*"))


def result(run: Path) -> dict[str, Any]:
    """`result.json` without durations."""
    content = json.loads((run / "result.json").read_text())
    return {key: value for key, value in content.items() if not key.endswith("_seconds")}


def scalar_steps(run: Path) -> list[int]:
    """Steps of every point of one TensorBoard curve, ascending."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    # Files that begin in the same second have no order: a double or missing point shows anyway.
    return sorted(
        event.step
        for path in (run / "tensorboard").glob("events.out.tfevents.*")
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
        if value.tag == "rollout/true_return_mean"
    )


def differences(run: Path, reference: Path) -> Iterator[str]:
    """What is not the same in two finished runs, down to the last bit of the weights."""
    for name in ("policy", "reward"):
        ours, theirs = (
            load_file(path / "checkpoints/final" / f"{name}.safetensors")
            for path in (run, reference)
        )
        yield from (f"{name}: {key}" for key in theirs if not torch.equal(ours[key], theirs[key]))
    if result(run) != result(reference):
        yield "result.json"
    if rows(run) != rows(reference):
        yield "metrics.csv"
    if scalar_steps(run) != scalar_steps(reference):
        yield "tensorboard"


def killed_often(
    kind: str, rounds: int, kills: int, folder: Path, rng: random.Random, longest: float
) -> list[dict[str, Any]]:
    """Kills a job again and again while it is resumed, then lets it finish.

    Half of the kills come at a random moment within `longest` seconds, half while a checkpoint
    is being written.

    Returns:
        One entry per kill: what was there, and how many rounds were lost.
    """
    every = 2
    run, log = folder / "run", folder / "output.txt"
    arguments = command(
        kind, rounds, f"trainer.checkpoint_every={every}", f"hydra.run.dir={run}", "resume=auto"
    )
    records: list[dict[str, Any]] = []
    while len(records) < kills:
        newest = max(checkpoints(run), default=0)
        left = (rounds - newest) // every  # checkpoints to come
        aimed = left > 0 and rng.random() < 0.5
        target = newest + every * rng.randint(1, max(1, min(3, left)))
        moment = inside_checkpoint(run, target) if aimed else after(rng.uniform(0, longest))
        if not kill_at(start(arguments, log), moment):  # it was faster: it must have finished
            assert (run / "result.json").is_file(), log.read_text()
            break
        complete, done = checkpoints(run), len(rows(run))
        records.append(
            {
                "generator": kind,
                "aimed_at_checkpoint": aimed,
                "inside_checkpoint": inside(run),
                "rounds_done": done,
                "checkpoint": max(complete, default=0),
                "rounds_lost": max(0, done - max(complete, default=0)),
            }
        )
    run_to_end(arguments, log)
    return records
