"""`airl publish`, and runs that are read back from the Hugging Face Hub."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import numpy as np
import pytest
import yaml

import airl_cli
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.experts import HubExpert
from airl_cli.runs.hub import PATTERNS, local_run
from support.cli import Airl

COMMIT = "b" * 40
REPO = "ada/cartpole-airl"


@pytest.fixture
def published(airl: Airl, trained_run: Path) -> Path:
    outcome = airl("publish", f"run={trained_run}", f"repo={REPO}", "output=published")
    assert outcome.code == 0, outcome.err
    return Path("published").resolve()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of `huggingface_hub` and our own, empty."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "hub"


def put(hub: Path, folder: Path, repo: str = REPO) -> Path:
    """A folder in the hub's cache, laid out as its library does: links into `blobs/`."""
    kept = hub / f"models--{repo.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(COMMIT)
    (kept / "blobs").mkdir()
    snapshot = kept / "snapshots" / COMMIT
    for number, file in enumerate(path for path in sorted(folder.rglob("*")) if path.is_file()):
        blob = kept / "blobs" / f"{number:040x}"
        shutil.copyfile(file, blob)
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def test_the_folder_holds_a_card_and_what_others_need_and_nothing_else(
    airl: Airl, trained_run: Path, published: Path
) -> None:
    names = {path.relative_to(published).as_posix() for path in published.rglob("*.*")}
    assert {"README.md", "config.json", "checkpoints/final/reward.safetensors"} <= names
    assert all(any(Path(name).match(pattern) for pattern in PATTERNS) for name in names)
    text = "".join((published / name).read_text() for name in names if name.endswith(".json"))
    assert str(Path.home()) + "/" not in text or str(Path.home()) == "/"
    assert airl("verify", f"run={published}").code == 0


def test_the_card_has_the_hubs_front_matter_and_the_runs_figures(
    trained_run: Path, published: Path
) -> None:
    card = (published / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    result = json.loads((trained_run / "result.json").read_text())
    facts = yaml.safe_load(front)
    assert facts["library_name"] == "airl-cli"
    assert result["env_id"] in facts["tags"]
    metric = facts["model-index"][0]["results"][0]["metrics"][0]
    assert metric["value"].startswith(f"{result['learner_return_mean']:.2f} +/- ")
    assert f"{result['normalized_score']:.3f}" in body
    assert f'airl_cli.load_run("hf://{REPO}")' in body
    assert "airl train experiment=smoke" in body
    assert "![learning curve](plots/learning_curve.png)" in body


def test_a_published_run_is_read_back_from_the_hub(
    hub: Path, trained_run: Path, published: Path
) -> None:
    put(hub, published)
    run, original = airl_cli.load_run(f"hf://{REPO}"), airl_cli.load_run(trained_run)
    obs = np.stack([original.observation_space.sample() for _ in range(4)])
    actions = [r.policy.predict(obs, deterministic=True)[0] for r in (run, original)]
    np.testing.assert_array_equal(*actions)
    assert not any(path.is_symlink() for path in run.path.rglob("*"))
    reward = airl_cli.load_reward(f"hf://{REPO}@main")
    assert reward.predict(obs, actions[0], obs, np.zeros(4)).shape == (4,)


def test_commands_and_experts_take_a_published_run(
    airl: Airl, hub: Path, trained_run: Path, published: Path
) -> None:
    put(hub, published)
    repeated = airl(
        "evaluate", f"run=hf://{REPO}", "evaluation.n_episodes=2", "hydra.run.dir=again"
    )
    assert repeated.code == 0, repeated.err
    env = airl_cli.load_run(trained_run).env_spec()
    found = HubExpert(REPO, kind="run", n_episodes=2).demonstrations(env, seed=0)
    assert len(found.trajectories) == 2
    assert found.provenance["repo"] == REPO


def test_an_upload_is_one_commit_of_the_whole_folder(
    airl: Airl, trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def create_repo(self, repo: str, **kwargs: Any) -> str:
            calls.append(("create_repo", kwargs))
            return f"https://huggingface.co/{repo}"

        def upload_folder(self, **kwargs: Any) -> None:
            assert (Path(kwargs["folder_path"]) / "README.md").is_file()
            calls.append(("upload_folder", kwargs))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_x")
    typed = ("upload=true", "private=true", "output=up")
    outcome = airl("publish", f"run={trained_run}", f"repo={REPO}", *typed)
    assert outcome.code == 0, outcome.err
    assert [name for name, _ in calls] == ["create_repo", "upload_folder"]
    assert calls[0][1]["private"] is True
    assert f"https://huggingface.co/{REPO}" in outcome.out + outcome.err


def test_a_published_copy_is_not_another_run(airl: Airl, trained_run: Path) -> None:
    shutil.copytree(trained_run, "outputs/train/cartpole/a")
    assert airl("publish", "run=last", f"repo={REPO}").code == 0
    assert Path("outputs/publish/ada--cartpole-airl/README.md").is_file()
    listed = airl("list")
    assert "outputs/train/cartpole/a" in listed.out and "publish" not in listed.out
    verified = airl("verify", "run=last")
    assert verified.code == 0 and "outputs/train/cartpole/a" in verified.out + verified.err
    assert "publish" in airl("list", "outputs/publish/ada--cartpole-airl").out


def test_without_token_or_network_the_folder_stays_with_the_command_to_type(
    airl: Airl, trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    arguments = ("publish", f"run={trained_run}", f"repo={REPO}", "upload=true")
    outcome = airl(*arguments, "output=one")
    assert outcome.code == 2
    assert "no token" in outcome.err and f"hf upload {REPO} one" in outcome.err
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_x")  # and HF_HUB_OFFLINE=1
    outcome = airl(*arguments, "output=two")
    assert outcome.code != 0
    assert "could not be uploaded" in outcome.err and "Traceback" not in outcome.err
    assert Path("one/README.md").is_file() and Path("two/README.md").is_file()


@pytest.mark.parametrize("repo", ["cartpole", "a/b/c", "../x", "a/..", "a b/c", "-/x"])
def test_what_is_no_name_of_a_repository_is_refused(
    airl: Airl, trained_run: Path, repo: str
) -> None:
    outcome = airl("publish", f"run={trained_run}", f"'repo=\"{repo}\"'".strip("'"))
    assert outcome.code == 2
    assert "no name of a repository" in outcome.err
    assert not Path("outputs").exists()


def test_runs_that_are_unfinished_changed_or_linked_are_refused_and_leave_nothing(
    airl: Airl, trained_run: Path
) -> None:
    def damaged(name: str) -> Path:
        shutil.copytree(trained_run, name)
        return Path(name)

    (damaged("unfinished") / "result.json").unlink()
    with (damaged("changed") / "metrics.csv").open("a") as file:
        file.write("1\n")
    (damaged("linked") / "plots" / "x.png").symlink_to("/etc/hostname")
    for name, reason in (
        ("unfinished", "did not finish"),
        ("changed", "metrics.csv"),
        ("linked", "is a link that leads out"),
        ("nowhere", "is not a run directory"),
    ):
        outcome = airl("publish", f"run={name}", f"repo={REPO}", "output=out")
        assert outcome.code == 2, name
        assert reason in outcome.err
        assert len(outcome.err.strip().splitlines()) <= 3
        assert not Path("out").exists()


def test_a_folder_that_is_there_is_left_alone(airl: Airl, trained_run: Path) -> None:
    Path("mine").mkdir()
    outcome = airl("publish", f"run={trained_run}", f"repo={REPO}", "output=mine")
    assert outcome.code == 2
    assert "exists already" in outcome.err
    assert list(Path("mine").iterdir()) == []


def test_pickles_and_links_of_a_repository_are_not_taken(
    hub: Path, tmp_path: Path, published: Path
) -> None:
    (published / "evil.pkl").write_bytes(b"\x80\x04N.")
    snapshot = put(hub, published)
    assert not (local_run(f"hf://{REPO}") / "evil.pkl").exists()
    (snapshot / "result.json").unlink()
    (snapshot / "result.json").symlink_to("/etc/hostname")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(InvalidValueError, match=r"result.json leads out of the hub's cache"):
        local_run(f"hf://{REPO}")
    assert not (tmp_path / "cache" / "airl-cli" / "hub" / "ada--cartpole-airl" / COMMIT).exists()


def test_a_repository_that_is_not_there_is_an_error_with_a_remedy(airl: Airl, hub: Path) -> None:
    with pytest.raises(NotFoundError, match="can neither be downloaded nor found"):
        airl_cli.load_run("hf://ada/nothing")
    outcome = airl("evaluate", "run=hf://ada/nothing")
    assert outcome.code == 2
    assert "HF_HOME" in outcome.err
    with pytest.raises(InvalidValueError, match="no name of a repository"):
        airl_cli.load_reward("hf://nothing")
