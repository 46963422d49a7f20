"""Runs that something happens to, and that are gone on with."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airl_cli.runs.layout import lock_run
from support import faults
from support.cli import Airl
from support.run_directories import as_received

ROUNDS = 6


def job(kind: str, directory: str | Path, *more: str, rounds: int = ROUNDS) -> list[str]:
    return faults.command(
        kind, rounds, f"hydra.run.dir={directory}", "trainer.checkpoint_every=2", *more
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A finished run of each kind that nothing happened to, and that wrote no checkpoints."""
    root = tmp_path_factory.mktemp("alone")

    def make(kind: str) -> Path:
        run = root / kind
        if not run.exists():
            arguments = job(kind, run, "trainer.checkpoint_every=null")
            faults.run_to_end(arguments, root / "output.txt")
        return run

    return make


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A PPO run that was killed after its fourth round, with checkpoints 2 and 4."""
    run = tmp_path / "stopped"
    pid = faults.start(job("ppo", run), tmp_path / "output.txt")
    assert faults.kill_at(pid, lambda: 4 in faults.checkpoints(run))
    return run


# -- killed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", faults.GENERATORS)
def test_a_killed_run_ends_as_one_that_was_not(
    kind: str, tmp_path: Path, alone: Callable[[str], Path]
) -> None:
    records = faults.killed_often(
        kind, ROUNDS, kills=2, folder=tmp_path, rng=random.Random(1), longest=2.0
    )
    assert records
    assert max(record["rounds_lost"] for record in records) <= 2
    assert list(faults.differences(tmp_path / "run", alone(kind))) == []


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_asked_to_stop_finishes_its_round_and_loses_nothing(
    tmp_path: Path, alone: Callable[[str], Path], sent: int, code: int
) -> None:
    run, output = tmp_path / "run", tmp_path / "output.txt"
    pid = faults.start(job("ppo", run, "trainer.checkpoint_every=null"), output)
    while len(faults.rows(run)) < 2:
        time.sleep(0.01)
    os.kill(pid, sent)
    assert faults.exit_code(pid) == code
    written = status(run)
    assert written["status"] == "interrupted"
    assert faults.checkpoints(run) == [written["rounds"]] == [len(faults.rows(run))]
    assert f"nothing is lost: resume with airl train resume={run}" in output.read_text()
    faults.run_to_end(["train", f"resume={run}"], output)
    assert list(faults.differences(run, alone("ppo"))) == []


def test_a_run_without_a_checkpoint_starts_over(
    airl: Airl, tmp_path: Path, alone: Callable[[str], Path]
) -> None:
    run = tmp_path / "run"
    pid = faults.start(job("ppo", run, "trainer.checkpoint_every=null"), tmp_path / "output.txt")
    faults.kill_at(pid, lambda: len(faults.rows(run)) >= 2)
    outcome = airl("train", f"resume={run}")
    assert outcome.code == 0, outcome.err
    assert "from the start" in outcome.out
    assert list(faults.differences(run, alone("ppo"))) == []


# -- damaged -----------------------------------------------------------------------------------


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / "state.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "state.safetensors").write_bytes(content)


def lose_a_file(folder: Path) -> None:
    (folder / "reward.safetensors").unlink()


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def cut_a_file(folder: Path) -> None:
    os.truncate(folder / "state.json", 100)


@pytest.mark.parametrize("damage", [flip_a_byte, lose_a_file, lose_the_manifest, cut_a_file])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    airl: Airl, stopped: Path, alone: Callable[[str], Path], damage: Callable[[Path], None]
) -> None:
    damage(stopped / "checkpoints/4")
    outcome = airl("train", f"resume={stopped}")
    assert outcome.code == 0, outcome.err
    assert f"the checkpoint {stopped / 'checkpoints/4'} cannot be used" in outcome.out
    assert "after 2 rounds" in outcome.out
    assert list(faults.differences(stopped, alone("ppo"))) == []


def test_without_any_whole_checkpoint_the_run_starts_over(
    airl: Airl, stopped: Path, alone: Callable[[str], Path]
) -> None:
    for folder in (stopped / "checkpoints").iterdir():
        flip_a_byte(folder)
    assert airl("train", f"resume={stopped}").code == 0
    assert list(faults.differences(stopped, alone("ppo"))) == []


def test_a_half_written_row_of_the_metrics_is_written_anew(
    airl: Airl, stopped: Path, alone: Callable[[str], Path]
) -> None:
    with (stopped / "metrics.csv").open("a") as file:
        file.write("17.0,18")
    assert airl("train", f"resume={stopped}").code == 0
    assert list(faults.differences(stopped, alone("ppo"))) == []


# -- the machine -------------------------------------------------------------------------------


def test_a_full_disk_costs_checkpoints_and_no_run(
    tmp_path: Path, alone: Callable[[str], Path]
) -> None:
    run, output = tmp_path / "run", tmp_path / "output.txt"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))  # no file larger than that
    try:
        code = faults.exit_code(faults.start(job("ppo", run), output))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = output.read_text()
    assert code == 1
    assert "the checkpoint after round 2 could not be written" in said
    assert "Traceback" not in said
    assert f"airl train resume={run}" in said
    assert faults.checkpoints(run) == []
    assert not list((run / "checkpoints").glob(".*"))
    faults.run_to_end(["train", f"resume={run}"], output)
    assert list(faults.differences(run, alone("ppo"))) == []


def test_a_directory_that_cannot_be_written_is_refused(airl: Airl, stopped: Path) -> None:
    (stopped / ".lock").unlink()
    (stopped / ".lock").mkdir()  # permissions do not stop root, this does
    before = status(stopped)
    outcome = airl("train", f"resume={stopped}")
    assert outcome.code == 2
    assert "cannot write" in outcome.err
    assert status(stopped) == before
    assert airl("train", "hydra.run.dir=/proc/airl").code == 2


def test_a_clock_that_goes_backwards_changes_nothing(
    airl: Airl, tmp_path: Path, alone: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [2e9]

    def backwards() -> float:
        now[0] -= 1.0
        return now[0]

    monkeypatch.setattr(time, "time", backwards)
    monkeypatch.setattr(time, "time_ns", lambda: int(backwards() * 1e9))
    assert airl(*job("ppo", tmp_path / "run")).code == 0
    assert list(faults.differences(tmp_path / "run", alone("ppo"))) == []


def test_a_second_process_is_refused(airl: Airl, stopped: Path) -> None:
    before = status(stopped)
    lock = lock_run(stopped)
    outcome = airl("train", f"resume={stopped}")
    assert outcome.code == 2
    assert f"in use by another process (process {before['pid']})" in outcome.err
    lock.release()
    assert status(stopped) == before
    assert faults.checkpoints(stopped) == [2, 4]


# -- the environment ---------------------------------------------------------------------------

FAULTS = {
    "raise": "the simulator broke",
    "nan_obs": "NaN or infinity in the observation",
    "nan_reward": "Faulty-v0: step returned the reward nan.",
}


def faulty(tmp_path: Path, *more: str) -> list[str]:
    arguments = job("ppo", tmp_path / "run", rounds=4)
    env = f"+env.kwargs.flag={tmp_path / 'flag'}", "+env.kwargs.at=700"
    name = "env.id=Faulty-v0", "env.import_module=support.faulty"
    arguments[arguments.index("env=cartpole")] = "env=gym"
    return [*arguments, *env, *name, "trainer.checkpoint_every=1", "expert.n_episodes=8", *more]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_environment_costs_the_rounds_since_the_checkpoint(
    airl: Airl, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "flag").write_text(fault)
    outcome = airl(*faulty(tmp_path))
    assert outcome.code == 2, outcome
    assert FAULTS[fault] in outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert "go on from round" in outcome.out or "nothing is lost" in outcome.out
    newest = faults.checkpoints(tmp_path / "run")[-1]
    assert newest >= 1
    (tmp_path / "flag").unlink()
    again = airl("train", f"resume={tmp_path / 'run'}", "trust=[support]")
    assert again.code == 0, again.err
    assert f"after {newest} round" in again.out
    assert [row["round"] for row in faults.rows(tmp_path / "run")] == ["0.0", "1.0", "2.0", "3.0"]


def test_the_module_of_a_recorded_environment_must_be_trusted(airl: Airl, tmp_path: Path) -> None:
    (tmp_path / "flag").write_text("raise")
    airl(*faulty(tmp_path))
    as_received(tmp_path / "run")
    outcome = airl("train", f"resume={tmp_path / 'run'}")
    assert outcome.code == 2
    assert "would import 'support.faulty'" in outcome.err
    assert "trust=[package]" in outcome.err
    (tmp_path / "flag").unlink()
    assert airl("train", f"resume={tmp_path / 'run'}", "trust=[support]").code == 0
    as_received(tmp_path / "run")
    assert airl("evaluate", f"run={tmp_path / 'run'}").code == 2
    assert airl("evaluate", f"run={tmp_path / 'run'}", "trust=[support]").code == 0


def test_a_worker_process_that_dies_is_named_and_the_run_goes_on_later(
    tmp_path: Path, airl: Airl
) -> None:
    (tmp_path / "flag").write_text("exit")
    subproc = ("env.vectorization=subproc", "env.n_envs=2", "generator.n_steps=128")
    outcome = airl(*faulty(tmp_path, *subproc, "env.kwargs.at=300"))
    assert outcome.code == 1
    assert "the worker process of environment 0 (3)" in outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert faults.checkpoints(tmp_path / "run")
    (tmp_path / "flag").unlink()
    again = airl("train", f"resume={tmp_path / 'run'}", "trust=[support]")
    assert again.code == 0, again.err


# -- what may change ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    [
        *("seed=1", "generator.learning_rate=1e-2", "reward=basic", "env=pendulum"),
        *("trainer=gail", "experiment=smoke", "trainer.demo_batch_size=32", "env.n_envs=4"),
        *("trainer.total_timesteps=1024", "evaluation.n_episodes=3"),
    ],
)
def test_overrides_that_would_change_the_experiment_are_refused(
    airl: Airl, stopped_once: Path, override: str
) -> None:
    before = status(stopped_once)
    outcome = airl("train", f"resume={stopped_once}", override)
    assert outcome.code == 2, outcome
    assert override in outcome.err
    assert status(stopped_once) == before
    assert not list(Path("outputs").rglob("*.log"))


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A killed run that no test changes."""
    root = tmp_path_factory.mktemp("stopped")
    pid = faults.start(job("ppo", root / "run"), root / "output.txt")
    assert faults.kill_at(pid, lambda: 2 in faults.checkpoints(root / "run"))
    return root / "run"


def test_a_finished_run_can_be_extended_and_is_otherwise_left_alone(
    airl: Airl, tmp_path: Path, alone: Callable[[str], Path]
) -> None:
    run = tmp_path / "run"
    assert airl(*job("ppo", run, rounds=4)).code == 0
    before = status(run)
    outcome = airl("train", f"resume={run}")
    assert outcome.code == 0
    assert "is finished already" in outcome.out
    assert status(run) == before
    assert airl("train", f"resume={run}", f"trainer.total_timesteps={ROUNDS * 256}").code == 0
    # PPO's rates are constant here, so the extended run is the one that was longer from the start.
    assert list(faults.differences(run, alone("ppo"))) == []
    assert (
        json.loads((run / "config.json").read_text())["trainer"]["total_timesteps"] == ROUNDS * 256
    )


def test_a_repeated_multirun_does_what_is_left(airl: Airl, tmp_path: Path) -> None:
    def sweep(seeds: str) -> str:
        arguments = job("ppo", "unused", rounds=2)
        arguments.remove("hydra.run.dir=unused")
        outcome = airl("train", "-m", f"seed={seeds}", "resume=auto", *arguments[1:])
        assert outcome.code == 0, outcome.err
        return outcome.out

    sweep("0,1")
    runs = sorted(tmp_path.glob("outputs/train/cartpole/multirun/*/*/status.json"))
    assert len(runs) == 2
    unfinished = runs[1].parent
    (unfinished / "result.json").unlink()  # as if it had been killed while it was evaluated
    runs[1].write_text(json.dumps({**status(unfinished), "status": "running"}))
    said = sweep("0,1,2")
    assert f"{runs[0].parent} is finished already" in said
    assert f"resuming {unfinished} after 2 rounds" in said
    found = list(tmp_path.glob("outputs/train/cartpole/multirun/*/*/result.json"))
    assert sorted(json.loads(path.read_text())["seed"] for path in found) == [0, 1, 2]
    folders = [p for p in tmp_path.glob("outputs/train/cartpole/multirun/*/*") if p.is_dir()]
    assert len([p for p in folders if p.name != ".hydra"]) == 3


def test_auto_refuses_a_directory_with_another_experiment(airl: Airl, stopped_once: Path) -> None:
    outcome = airl(*job("ppo", stopped_once, "resume=auto", "seed=5"))
    assert outcome.code == 2
    assert "holds a run with another config" in outcome.err


def test_other_demonstrations_are_noticed(airl: Airl, stopped: Path) -> None:
    path = stopped / "config.json"
    config = json.loads(path.read_text())
    config["expert"]["n_episodes"] = 3
    path.write_text(json.dumps(config))
    outcome = airl("train", f"resume={stopped}")
    assert outcome.code == 2
    assert "demonstrations are not those" in outcome.err
    assert faults.checkpoints(stopped) == [2, 4]


def test_each_run_records_what_it_ran_on(stopped_once: Path) -> None:
    machine = json.loads((stopped_once / "environment.json").read_text())
    assert {"versions", "cpu", "torch_threads", "git_commit", "platform"} <= set(machine)
    assert {"python", "torch", "stable_baselines3", "gymnasium"} <= set(machine["versions"])
