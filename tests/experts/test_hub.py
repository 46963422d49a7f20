"""Hub and Minari experts, from caches as the real libraries keep them; nothing is downloaded."""

import os
import shutil

import datasets
import huggingface_hub
import numpy as np
import pytest
import stable_baselines3 as sb3

from airl_cli.data import formats
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.evaluation import sample_episodes
from airl_cli.experts import HubExpert, MinariExpert

PENDULUM = EnvSpec("Pendulum-v1", n_envs=2, max_episode_steps=10)
COMMIT = "a" * 40


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The cache of `huggingface_hub`, empty."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    return tmp_path / "hub"


def put_model(hub, repo, filename):
    folder = hub / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    venv = PENDULUM.make(0, n_envs=1)
    sb3.PPO("MlpPolicy", venv, policy_kwargs={"net_arch": [8]}).save(snapshot / filename)
    venv.close()


@pytest.mark.parametrize("filename", [None, "other.zip"])
def test_a_cached_model_is_used_offline(hub, filename):
    put_model(hub, "me/ppo-Pendulum-v1", filename or "ppo-Pendulum-v1.zip")
    expert = HubExpert("me/ppo-Pendulum-v1", filename=filename, n_episodes=2, noise=0.1)
    found = expert.demonstrations(PENDULUM, seed=0)
    assert len(found.trajectories) == 2
    assert found.provenance["source"] == "huggingface"
    assert found.provenance["repo"] == "me/ppo-Pendulum-v1"
    assert len(found.provenance["sha256"]) == 64


def test_a_cached_dataset_is_used_offline(hub, tmp_path):
    trajectories = sample_episodes(None, PENDULUM, 4, 0)
    formats.write(str(tmp_path / "saved"), trajectories, format="huggingface")
    saved = datasets.load_from_disk(str(tmp_path / "saved"))
    saved.to_parquet(str(tmp_path / "p.parquet"))
    built = tmp_path / "built"
    datasets.load_dataset("parquet", data_files=str(tmp_path / "p.parquet"), cache_dir=str(built))
    source = next(built.glob("parquet/*/*/*/dataset_info.json")).parent
    target = tmp_path / "datasets" / "me___rolls" / "default" / "0.0.0" / COMMIT
    shutil.copytree(source, target)
    (target / "parquet-train.arrow").rename(target / "rolls-train.arrow")
    expert = HubExpert("me/rolls", kind="dataset", n_episodes=3)
    found = expert.demonstrations(PENDULUM, seed=0)
    assert all(t in trajectories for t in found.trajectories)
    assert (found.provenance["n_episodes"], found.provenance["split"]) == (3, "train")
    with pytest.raises(NotFoundError, match="the split test of me/rolls"):
        HubExpert("me/rolls", kind="dataset", split="test").demonstrations(PENDULUM, seed=0)


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_without_network_and_cache_the_error_says_what_to_do(hub, kind):
    with pytest.raises(NotFoundError, match="nor found in its cache") as caught:
        HubExpert("me/nothing", kind=kind).demonstrations(PENDULUM, seed=0)
    assert "HF_HOME" in caught.value.remedy


def test_names_and_numbers_are_checked_before_anything_is_read():
    with pytest.raises(InvalidValueError, match="expert.repo=ppo is no name"):
        HubExpert("ppo")
    with pytest.raises(InvalidValueError, match="expert.noise=0.5 has no meaning"):
        HubExpert("me/rolls", kind="dataset", noise=0.5)


@pytest.fixture
def minari_root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def test_a_minari_dataset(minari_root):
    trajectories = sample_episodes(None, PENDULUM, 4, 0)
    spaces = PENDULUM.spaces()
    formats.write(
        "minari:pendulum/random-v0",
        trajectories,
        observation_space=spaces[0],
        action_space=spaces[1],
    )
    found = MinariExpert("pendulum/random-v0").demonstrations(PENDULUM, seed=0)
    assert list(found.trajectories) == trajectories
    assert found.provenance["dataset"] == "pendulum/random-v0"
    assert np.isclose(found.provenance["return_mean"], found.returns.mean())
    # What is there is not downloaded.
    MinariExpert("pendulum/random-v0", download=True).demonstrations(PENDULUM, seed=0)


def test_a_missing_minari_dataset_and_a_failed_download(minari_root, monkeypatch):
    with pytest.raises(NotFoundError, match="no Minari dataset.*\n.*expert.download=true"):
        MinariExpert("none/such-v0").demonstrations(PENDULUM, seed=0)

    def fail(dataset_id):
        raise OSError("no network")

    monkeypatch.setattr("minari.download_dataset", fail)
    with pytest.raises(NotFoundError, match="cannot download 'none/such-v0': no network"):
        MinariExpert("none/such-v0", download=True).demonstrations(PENDULUM, seed=0)


def test_a_missing_package_names_the_extra(monkeypatch):
    import sys

    for module in ("minari", "datasets", "huggingface_sb3"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotFoundError, match=r"airl-cli\[minari\]"):
        MinariExpert("none/such-v0").demonstrations(PENDULUM, seed=0)
    for kind in ("model", "dataset"):
        with pytest.raises(NotFoundError, match=r"airl-cli\[hub\]"):
            HubExpert("me/x", kind=kind).demonstrations(PENDULUM, seed=0)
    assert os.environ["HF_HUB_OFFLINE"] == "1"
