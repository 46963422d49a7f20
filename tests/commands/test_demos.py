"""`airl demos <verb>` and training on what it recorded, through the command line."""

import csv
import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from airl_cli.data import formats, storage

FILES = Path(__file__).parents[1] / "data" / "files"
RANDOM = ("env=cartpole", "env.max_episode_steps=50", "expert=random", "expert.n_episodes=4")
TINY = (
    "experiment=smoke",
    "env.max_episode_steps=50",
    "trainer.total_timesteps=512",
    "trainer.demo_batch_size=32",
    "evaluation.n_episodes=2",
    "logger=csv",
)


@pytest.fixture
def recorded(airl):
    outcome = airl("demos", "record", "path=p.safetensors", *RANDOM)
    assert outcome.code == 0, outcome.err
    return outcome


def provenance():
    [path] = Path("outputs").rglob("provenance.json")
    return json.loads(path.read_text())


def test_record_writes_whole_episodes_and_shows_them(recorded):
    assert os.listdir() == ["p.safetensors"]  # no output directory, no log
    assert "episodes" in recorded.out and "200" in recorded.out
    header = storage.TrajectoryFile("p.safetensors").header
    assert header.metadata["env"] == "seals/CartPole-v0"
    assert header.metadata["source"] == "random"
    assert header.action_space.n == 2
    assert [len(t) for t in storage.load("p.safetensors")] == [50] * 4


def test_recording_refuses_before_it_samples(airl, recorded):
    before = Path("p.safetensors").read_bytes()
    for arguments, message in (
        (RANDOM, "p.safetensors exists already"),
        (RANDOM[2:], "record needs the group env"),
        (RANDOM[:2], "record needs the group expert"),
        ((*RANDOM, "expert.subsample=2"), "keeps whole episodes"),
    ):
        outcome = airl("demos", "record", "path=p.safetensors", *arguments)
        assert outcome.code == 2
        assert message in outcome.err
    assert Path("p.safetensors").read_bytes() == before


def test_convert_there_and_back_changes_nothing(airl, recorded, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(Path.cwd() / "minari"))
    steps = [("a.npz", "npz"), ("b.npz", "imitation"), ("hf", "huggingface")]
    source = "p.safetensors"
    for target, name in steps:
        assert airl("demos", "convert", f"path={source}", f"output={target}", f"format={name}")
        assert formats.recognise(target) == name
        source = target
    # The spaces were lost on the way; the environment gives them back.
    outcome = airl("demos", "convert", "path=hf", "output=minari:cart/x-v0")
    assert (outcome.code, "needs the environment's spaces" in outcome.err) == (2, True)
    airl("demos", "convert", "path=hf", "output=minari:cart/x-v0", "env=cartpole")
    assert airl("demos", "convert", "path=minari:cart/x-v0", "output=z.safetensors").code == 0
    assert storage.load("z.safetensors") == storage.load("p.safetensors")


def test_a_table_is_converted_checked_and_trained_on(airl, recorded):
    frames = []
    for number, t in enumerate(storage.load("p.safetensors")):
        frame = pd.DataFrame(t.obs, columns=["x", "v", "angle", "spin"])
        frame["push"] = pd.array([*t.acts.tolist(), None], dtype="Int64")
        frame["run"] = number
        frames.append(frame)
    pd.concat(frames).to_csv("d.csv", index=False)
    columns = "columns={obs: [x, v, angle, spin], acts: push, episode: run}"
    assert airl("demos", "info", "path=d.csv").code == 2
    outcome = airl("demos", "check", "path=d.csv", columns, *RANDOM[:2])
    assert "100.0% of 200 transitions reproduced" in outcome.out
    assert airl("demos", "convert", "path=d.csv", columns, "output=d.npz", "env=cartpole").code == 0
    outcome = airl(
        *("train", *TINY, "expert=trajectories", "expert.path=d.csv", f"expert.{columns}")
    )
    assert outcome.code == 0, outcome.err
    assert (provenance()["source"], provenance()["n_transitions"]) == ("csv", 200)


def test_convert_can_mark_time_limits_as_what_they_are(airl, recorded):
    marked = [dataclasses.replace(t, terminal=True) for t in storage.load("p.safetensors")]
    storage.save("m.safetensors", marked)
    line = ("demos", "convert", "path=m.safetensors", "output=c.safetensors")
    outcome = airl(*line, "terminal_at_limit=truncated")
    assert (outcome.code, "needs to know the time limit" in outcome.err) == (2, True)
    assert airl(*line, "terminal_at_limit=truncated", *RANDOM[:2]).code == 0
    assert storage.load("c.safetensors") == storage.load("p.safetensors")
    assert airl(*line).code == 2
    assert airl(*line, "overwrite=true").code == 0
    assert storage.load("c.safetensors") == marked


def test_what_does_not_fit_the_environment_is_not_converted(airl, recorded):
    spoil("actions")
    outcome = airl("demos", "convert", "path=spoilt.npz", "output=c.safetensors", "env=cartpole")
    assert outcome.code == 2
    assert "spoilt.npz: episode 1, acts: 2 at step 20" in outcome.err
    assert not Path("c.safetensors").exists()


def test_info_of_what_imitation_wrote(airl):
    outcome = airl("demos", "info", f"path={FILES / 'imitation_dataset'}")
    assert outcome.code == 0
    for fact in ("huggingface", "the format has none", "80%", "action 1", "obs[3]"):
        assert fact in outcome.out


def test_plot_draws_a_picture_beside_the_recording(airl, recorded):
    assert airl("demos", "plot", "path=p.safetensors").code == 0
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    assert airl("demos", "plot", f"path={FILES / 'imitation_legacy.npz'}", "output=i.png").code == 0
    assert Path("i.png").exists()
    assert airl("demos", "plot", "path=p.safetensors", "output=i.pdf").code == 2


def test_check_compares_with_the_environment(airl, recorded):
    outcome = airl(
        "demos", "check", "path=p.safetensors", "env=cartpole", "env.max_episode_steps=50"
    )
    assert outcome.code == 0
    assert "100.0% of 200 transitions reproduced" in outcome.out
    assert "warning" not in outcome.out
    heavy = airl("demos", "check", "path=p.safetensors", "env=cartpole")
    assert "stop before the limit of 500" in " ".join(heavy.out.replace("│", " ").split())
    other = airl("demos", "check", "path=p.safetensors", "env=pendulum")
    assert other.code == 2
    assert "error: p.safetensors: episode 0, obs: shape (4,)" in other.err


def test_verbs_are_listed_and_guessed(airl):
    assert airl("demos").code == 2
    outcome = airl("demos", "recrod")
    assert outcome.code == 2
    assert "Did you mean 'record'?" in outcome.err
    assert "convert" in airl("demos", "--help").out
    assert "path is not set" in airl("demos", "info").err


@pytest.mark.parametrize("source", ["airl", "streamed", "huggingface"])
def test_training_on_a_recording(airl, recorded, source):
    path = "p.safetensors"
    if source == "huggingface":
        airl("demos", "convert", "path=p.safetensors", "output=hf")
        path = "hf"
    limit = ("expert.memory_limit=0",) if source == "streamed" else ()
    outcome = airl("train", *TINY, "expert=trajectories", f"expert.path={path}", *limit)
    assert outcome.code == 0, outcome.err
    found = provenance()
    assert found["source"] == ("huggingface" if source == "huggingface" else "airl")
    assert (found["n_episodes"], found["n_transitions"]) == (4, 200)
    assert found["streamed"] == (source == "streamed")
    assert len(found["sha256"]) == 64
    [result] = Path("outputs").rglob("result.json")
    assert json.loads(result.read_text())["expert_return_mean"] == found["return_mean"]


def test_a_streamed_file_trains_exactly_like_a_loaded_one(airl, recorded):
    metrics = []
    for number, limit in enumerate((0, 256)):
        airl(
            *("train", *TINY, "expert=trajectories", "expert.path=p.safetensors"),
            *("expert.subsample=3", f"expert.memory_limit={limit}", f"hydra.run.dir=r{number}"),
        )
        with open(f"r{number}/metrics.csv") as file:
            rows = list(csv.DictReader(file))
        metrics.append([(row["disc_loss"], row["learned_return_mean"]) for row in rows])
    assert metrics[0] == metrics[1] != []


def test_training_on_thinned_or_unrewarded_demonstrations(airl, recorded):
    plain = [
        type(t).__mro__[1](t.obs, t.acts, None, t.terminal) for t in storage.load("p.safetensors")
    ]
    storage.save("plain.safetensors", plain)
    outcome = airl(
        "train", *TINY, "expert=trajectories", "expert.path=plain.safetensors", "expert.subsample=5"
    )
    assert outcome.code == 0, outcome.err
    found = provenance()
    assert (found["return_mean"], found["subsample"]) == (None, 5)
    [result] = Path("outputs").rglob("result.json")
    assert json.loads(result.read_text())["normalized_score"] is None


def spoil(name):
    trajectories = storage.load("p.safetensors")
    arrays = {
        "obs": np.concatenate([t.obs for t in trajectories]),
        "acts": np.concatenate([t.acts for t in trajectories]),
        "lengths": np.array([len(t) for t in trajectories]),
    }
    if name == "nan":
        arrays["obs"][60, 1] = np.nan
    elif name == "actions":
        arrays["acts"][70] = 2
    elif name == "lengths":
        arrays["lengths"][0] += 1
    elif name == "mixed":
        arrays["lengths"][:] = 49, 51, 50, 50
        # lengths that fit together, but differ
    elif name == "dtype":
        arrays["acts"] = arrays["acts"].astype(float)
    np.savez("spoilt.npz", **arrays)
    if name == "truncated":
        Path("spoilt.npz").write_bytes(Path("p.safetensors").read_bytes()[:-200])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nan", "spoilt.npz: episode 1, obs: nan at step 9."),
        ("actions", "spoilt.npz: episode 1, acts: 2 at step 20 is not in the action space"),
        ("lengths", "obs: 204 rows, but 4 episodes of 201 steps"),
        ("mixed", "episodes of spoilt.npz differ in length"),
        ("dtype", "spoilt.npz: episode 0, acts: float64 values"),
        ("truncated", "spoilt.npz is not a usable trajectory file"),
        ("missing", "there is no file or folder none.npz"),
    ],
)
def test_bad_recordings_leave_two_lines_and_nothing_else(airl, recorded, name, message):
    spoil(name)
    path = "none.npz" if name == "missing" else "spoilt.npz"
    fixed = ["trainer.absorbing=false"] if name == "mixed" else []
    outcome = airl("train", *TINY, "expert=trajectories", f"expert.path={path}", *fixed)
    assert outcome.code == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 2
    assert not list(Path("outputs").rglob("*.json"))
    assert not list(Path("outputs").rglob("train.log"))


def test_noise_and_other_ranges_are_checked_before_anything_is_built(airl):
    for override in ("expert.noise=1.5", "expert.subsample=0"):
        outcome = airl("train", "experiment=smoke", override)
        assert outcome.code == 2
        assert f"{override.partition('=')[0]} must be " in outcome.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("airl demos rec", {"record"}),
        ("airl demos ", {"record", "convert", "info", "plot", "check"}),
        ("airl demos record env=cartp", {"env=cartpole", "env=cartpole_physics"}),
    ],
)
def test_verbs_and_what_follows_them_are_completed(airl, monkeypatch, line, words):
    monkeypatch.setenv("COMP_LINE", line)
    assert words <= set(airl("-sc", "query=bash").out.split())
