"""Sweeps under every launcher, the time that two cores save, and a search that is killed.

    python benchmarks/launchers/run.py same       # the same numbers under every launcher
    python benchmarks/launchers/run.py time       # two runs at once against one after the other
    python benchmarks/launchers/run.py search     # Optuna, SIGKILL, the same command again

Needs `pip install "airl-cli[parallel,slurm,ray,optuna]"`. Each check writes its section of
`results.json` beside this file (or to `--out`), with the load average that it met, and ends with
exit code 1 if it does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AIRL = [sys.executable, "-m", "airl_cli"]
DURATIONS = ("train_seconds", "expert_seconds")
GRID = ["experiment=smoke", "reward=basic,shaped", "seed=0,1,2"]
PORT = 6397
LAUNCHERS = {
    "basic": [],
    "joblib": ["hydra/launcher=joblib"],
    "submitit_local": ["hydra/launcher=submitit_local"],
    "ray": ["hydra/launcher=ray"],
    "ray, another cluster": [
        *("hydra/launcher=ray", f"hydra.launcher.ray.init.address=127.0.0.1:{PORT}")
    ],
}


def main() -> int:
    """Runs one check; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    checks: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
        "same": same_numbers,
        "time": time_saved,
        "search": killed_search,
    }
    parser.add_argument("check", choices=checks)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.json"))
    parser.add_argument("--only", nargs="+", choices=LAUNCHERS, help="same: launchers to run")
    options = parser.parse_args()
    load = os.getloadavg()
    everything = json.loads(options.out.read_text()) if options.out.is_file() else {}
    before = everything.get(options.check, {})
    with tempfile.TemporaryDirectory() as folder:
        found = checks[options.check](Path(folder), {**before, "only": options.only})
    found |= {
        "command": f"python benchmarks/launchers/run.py {options.check}",
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": round(load[0], 1),
        "load_average_after": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(found, indent=2))
    options.out.write_text(json.dumps({**everything, options.check: found}, indent=2) + "\n")
    return int(not found["holds"])


# -- the same numbers --------------------------------------------------------------------------


def same_numbers(folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    """2 rewards x 3 seeds under each launcher, each with an expert cache of its own."""
    launchers = before.get("launchers", {})
    for name in before["only"] or LAUNCHERS:
        launchers[name] = one_launcher(folder, name, LAUNCHERS[name])
        print(f"{name}: {launchers[name]}", flush=True)
    reference = launchers["basic"]["results"]
    differing = [name for name, each in launchers.items() if each["results"] != reference]
    once = all(each["experts_trained"] == 1 for each in launchers.values())
    return {
        "sweep": " ".join(GRID),
        "launchers_with_other_numbers": differing,
        "launchers": launchers,
        "holds": not differing and once and len(reference) == 6 and set(launchers) == {*LAUNCHERS},
    }


def one_launcher(folder: Path, name: str, typed: Sequence[str]) -> dict[str, Any]:
    """The sweep under one launcher."""
    place = folder / name.replace(", ", "-").replace(" ", "-")
    place.mkdir()
    with cluster(folder) if str(PORT) in "".join(typed) else no_cluster():
        start = time.monotonic()
        run(place, "train", "-m", *GRID, *typed, "hydra.sweep.dir=sweep")
        seconds = round(time.monotonic() - start, 1)
    logs = "".join(path.read_text() for path in place.glob("sweep/*/train.log"))
    return {
        "seconds": seconds,
        "load_average": round(os.getloadavg()[0], 1),
        "experts_trained": logs.count("] - training the expert"),
        "jobs_that_waited_for_it": logs.count("waiting for another process that trains the expert"),
        "results": {p.parent.name: numbers(p) for p in sorted(place.glob("sweep/*/result.json"))},
    }


def numbers(path: Path) -> dict[str, Any]:
    """A result without what depends on the machine's speed."""
    return {k: v for k, v in json.loads(path.read_text()).items() if k not in DURATIONS}


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A Ray cluster of two CPUs that was started by somebody else, somewhere else."""
    place = folder / "cluster"
    place.mkdir()
    arguments = ["start", "--head", "--block", f"--port={PORT}", "--num-cpus=2"]
    options = ["--include-dashboard=false", "--disable-usage-stats"]
    command = [sys.executable, "-m", "ray.scripts.scripts", *arguments, *options]
    patient = {**os.environ, "RAY_raylet_start_wait_time_s": "300", "RAY_AUTH_MODE": "disabled"}
    with (folder / "cluster.txt").open("w") as output:
        head = subprocess.Popen(
            command, cwd=place, env=patient, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            said = folder / "cluster.txt"
            wait_until(lambda: head.poll() or "Ray runtime started" in said.read_text())
            if head.poll() is not None:
                raise RuntimeError(f"the cluster did not start:\n{said.read_text()}")
            yield
        finally:
            head.send_signal(signal.SIGTERM)
            head.wait()


@contextmanager
def no_cluster() -> Iterator[None]:
    """Nothing."""
    yield


def wait_until(holds: Callable[[], bool], seconds: float = 600.0) -> None:
    """Returns when a condition holds.

    Raises:
        TimeoutError: If it does not in time.
    """
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.1)


# -- time --------------------------------------------------------------------------------------


def time_saved(folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    """Two runs of at least 60 s, one after the other and at once."""
    typed = ["train", "-m", "env=cartpole", "seed=0,1", "trainer.total_timesteps=1000000"]
    run(folder, "train", "env=cartpole", "trainer.total_timesteps=4096")  # trains the expert
    seconds, load = {}, {}
    for name in ("basic", "joblib"):
        start = time.monotonic()
        run(folder, *typed, *LAUNCHERS[name], f"hydra.sweep.dir={name}")
        seconds[name] = round(time.monotonic() - start, 1)
        load[name] = round(os.getloadavg()[0], 1)
        print(f"{name}: {seconds[name]} s, load average {load[name]}", flush=True)
    single = [
        round(json.loads(path.read_text())["train_seconds"], 1)
        for path in sorted(folder.glob("basic/*/result.json"))
    ]
    share = seconds["joblib"] / seconds["basic"]
    return {
        "jobs": " ".join(typed),
        "seconds": seconds,
        "train_seconds_one_after_the_other": single,
        "load_average_at_the_end_of": load,
        "share_of_the_time": round(share, 3),
        "holds": share <= 0.65 and min(single) >= 60,
    }


# -- a search ----------------------------------------------------------------------------------


def killed_search(folder: Path, before: dict[str, Any]) -> dict[str, Any]:
    """Eight trials; SIGKILL while the fourth one trains."""
    typed = ["train", "-m", "sweep=airl_cartpole", "hydra.sweeper.seeds=[10]"]
    typed += ["hydra.sweeper.n_trials=8", "trainer.checkpoint_share=null"]
    study = folder / "outputs/train/cartpole/studies/airl_cartpole"
    with (folder / "first.txt").open("w") as output:
        first = subprocess.Popen([*AIRL, *typed], cwd=folder, stdout=output, stderr=output)
        wait_until(lambda: any((study / "3").glob("checkpoints/*/manifest.json")), 3600)
        first.kill()
        first.wait()
    said = run(folder, *typed)
    states = trial_states(study / "study.db")
    resumed = re.search(r"going on with \S+ after (\d+) rounds", said)
    recipe = ["--config-dir", str(study), "recipe=airl_cartpole"]
    run(folder, "train", "env=cartpole", "seed=0", *recipe)
    (result,) = folder.glob("outputs/train/cartpole/2*/result.json")
    score = json.loads(result.read_text())["normalized_score"]
    return {
        "search": " ".join(typed),
        "killed_with": "SIGKILL while trial 3 trained",
        "the_interrupted_run_went_on_after_rounds": int(resumed.group(1)) if resumed else None,
        "states": states,
        "best": re.findall(r"^The best of .*? seeds? \d+\.", said, re.MULTILINE),
        "recipe": (study / "recipe/airl_cartpole.yaml").read_text().splitlines(),
        "score_of_the_recipe_on_seed_0": round(score, 3),
        "holds": resumed is not None and states.count("COMPLETE") == 8,
    }


def trial_states(database: Path) -> list[str]:
    """Of all trials of a study."""
    import optuna

    return [
        t.state.name for t in optuna.load_study("airl_cartpole", f"sqlite:///{database}").trials
    ]


def run(folder: Path, *arguments: str, expected: Sequence[int] = (0,)) -> str:
    """Runs `airl` in a folder; gives what it printed."""
    done = subprocess.run(
        [*AIRL, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode not in expected:
        raise RuntimeError(f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
