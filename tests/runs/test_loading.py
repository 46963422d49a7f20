"""Policy and rewards come back from a run directory as they were."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch

import airl_cli
from airl_cli.algorithms import AIRL, GAIL
from airl_cli.data import TrajectoryWithRew
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.evaluation import Evaluation
from airl_cli.rewards import BasicRewardNet, BasicShapedRewardNet, RunningNorm
from airl_cli.runs import Run, load_reward, load_run

N_STEPS = 8


class Walk(gymnasium.Env):
    """A random walk of ten steps ."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-5, 5, (3,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict]:
        super().reset(**kwargs)
        self.steps = 0
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.steps += 1
        obs = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return obs, float(action.sum()), False, self.steps >= 10, {}


def config(trainer: str, reward: str) -> dict[str, Any]:
    return {
        "seed": 0,
        "env": {"_target_": "airl_cli.envs.EnvSpec", "id": "Walk-v0", "n_envs": 2},
        "generator": {
            "_target_": "stable_baselines3.PPO",
            "_partial_": True,
            "policy": "MlpPolicy",
            "n_steps": N_STEPS,
            "batch_size": 16,
            "n_epochs": 1,
            "policy_kwargs": {
                "net_arch": [4],
                "activation_fn": {"_target_": "hydra.utils.get_class", "path": "torch.nn.ReLU"},
            },
            "device": "auto",
        },
        "reward": {
            "_target_": f"airl_cli.rewards.{reward}",
            "_partial_": True,
            "normalize_input_layer": {
                "_target_": "airl_cli.rewards.RunningNorm",
                "_partial_": True,
            },
        },
        "trainer": {
            "_target_": f"airl_cli.algorithms.{trainer}",
            "_partial_": True,
            "total_timesteps": 4 * N_STEPS,
            "disc_opt_cls": {"_target_": "torch.optim.Adam", "_partial_": True},
        },
    }


def demonstrations() -> list[TrajectoryWithRew]:
    rng = np.random.default_rng(0)
    obs = rng.uniform(-1, 1, (11, 3)).astype(np.float32)
    acts = rng.uniform(-1, 1, (10, 2)).astype(np.float32)
    return [TrajectoryWithRew(obs, acts, None, False, np.ones(10))] * 2


def train(path: Path, trainer_class: Any, reward_class: Any) -> Any:
    """A short real run; gives its trainer."""
    if "Walk-v0" not in gymnasium.registry:
        gymnasium.register("Walk-v0", Walk, disable_env_checker=True)
    venv = EnvSpec("Walk-v0", n_envs=2).make(0)
    kwargs = {"net_arch": [4], "activation_fn": torch.nn.ReLU}
    algorithm = sb3.PPO(
        "MlpPolicy", venv, n_steps=N_STEPS, batch_size=16, n_epochs=1, policy_kwargs=kwargs, seed=0
    )
    trainer = trainer_class(
        demonstrations=demonstrations(),
        demo_batch_size=16,
        venv=venv,
        gen_algo=algorithm,
        reward_net=reward_class(
            venv.observation_space, venv.action_space, normalize_input_layer=RunningNorm
        ),
        log_dir=path,
    )
    plain = config(trainer_class.__name__, reward_class.__name__)
    with Run.create(path, config=plain, verbose=False) as run:
        trainer.train(4 * N_STEPS, callback=run.after_round(trainer))
        returns = np.array([1.0, 2.0])
        run.finish(trainer, Evaluation("Walk-v0", 0, returns, returns + 3, returns - 3))
    return trainer


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    path = tmp_path_factory.mktemp("runs") / "airl"
    return path, train(path, AIRL, BasicShapedRewardNet)


@pytest.fixture
def run_dir(trained: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(trained[0], tmp_path / "run")
    return tmp_path / "run"


BATCH = (
    np.random.default_rng(1).uniform(-1, 1, (6, 3)).astype(np.float32),
    np.random.default_rng(2).uniform(-1, 1, (6, 2)).astype(np.float32),
    np.random.default_rng(3).uniform(-1, 1, (6, 3)).astype(np.float32),
    np.array([False] * 5 + [True]),
)


def test_policy_and_rewards_are_those_of_the_trainer(trained: tuple[Path, Any]) -> None:
    path, trainer = trained
    loaded = load_run(path)
    expected, _ = trainer.policy.predict(BATCH[0], deterministic=True)
    assert np.array_equal(loaded.policy.predict(BATCH[0], deterministic=True)[0], expected)
    for name in ("reward_train", "reward_test"):
        ours, theirs = getattr(loaded, name), getattr(trainer, name)
        assert np.array_equal(ours.predict(*BATCH), theirs.predict(*BATCH)), name
    assert not np.allclose(loaded.reward_train.predict(*BATCH), loaded.reward_test.predict(*BATCH))
    assert np.array_equal(
        load_reward(path, bounded=False).predict(*BATCH), loaded.reward_test.predict(*BATCH)
    )
    assert loaded.checkpoint.name == "final"
    assert loaded.result is not None
    assert loaded.result["normalized_score"] == 0.5
    assert loaded.config["trainer"]["total_timesteps"] == 32
    assert loaded.observation_space == trainer.venv.observation_space
    assert loaded.env_spec() == EnvSpec("Walk-v0", n_envs=2)


def test_the_rewards_of_a_gail_run_are_those_of_its_trainer(tmp_path: Path) -> None:
    trainer = train(tmp_path / "gail", GAIL, BasicRewardNet)
    loaded = load_run(tmp_path / "gail")
    for name in ("reward_train", "reward_test"):
        expected = getattr(trainer, name).predict(*BATCH)
        assert np.array_equal(getattr(loaded, name).predict(*BATCH), expected)


def test_the_package_offers_both(trained: tuple[Path, Any]) -> None:
    assert airl_cli.load_run is load_run
    assert airl_cli.load_reward is load_reward


def test_loading_does_not_import_hydra(trained: tuple[Path, Any]) -> None:
    code = (
        f"import sys, airl_cli; airl_cli.load_run({str(trained[0])!r});"
        "sys.exit(any(m.split('.')[0] in ('hydra', 'omegaconf') for m in sys.modules))"
    )
    root = Path(airl_cli.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_final_weights_the_newest_round_is_taken(run_dir: Path) -> None:
    checkpoints = run_dir / "checkpoints"
    (run_dir / "result.json").unlink()
    for name in ("9", "10"):
        (checkpoints / name).mkdir()
        for file in (checkpoints / "final").iterdir():
            (checkpoints / name / file.name).write_bytes(file.read_bytes())
    assert load_run(run_dir, checkpoint=9).checkpoint.name == "9"
    (checkpoints / "final").rename(run_dir / "elsewhere")
    loaded = load_run(run_dir)
    assert loaded.checkpoint.name == "10"
    assert loaded.result is None
    with pytest.raises(NotFoundError, match="no checkpoint 7") as caught:
        load_run(run_dir, checkpoint=7)
    assert caught.value.remedy == "It has: 10, 9."


def test_what_is_no_run_directory_is_said(tmp_path: Path, run_dir: Path) -> None:
    with pytest.raises(NotFoundError, match="is not a run directory"):
        load_run(tmp_path / "absent")
    (run_dir / "spaces.json").unlink()
    with pytest.raises(NotFoundError, match="ended before it trained"):
        load_reward(run_dir)


def test_a_run_without_weights_is_said(run_dir: Path) -> None:
    (run_dir / "checkpoints").rename(run_dir / "elsewhere")
    with pytest.raises(NotFoundError, match="no round was completed"):
        load_run(run_dir)


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["reward"].update(_target_="os.system"), "os.system, which loading does not"),
        (lambda c: c["generator"].update(_target_="builtins.exec"), "builtins.exec, which"),
        (lambda c: c["trainer"].update(_target_="os.abort"), "os.abort, which"),
        (lambda c: c["trainer"].update(_target_="torch.optim.Adam"), "Adam, which loading"),
        (
            lambda c: c["reward"].update(_target_="torch.nn.Bilinear", in1_features=1),
            "Bilinear, which",
        ),
        (lambda c: c["reward"].update(reward_hid_sizes=[7]), "the net has"),
        (lambda c: c["generator"].update(nonsense=1), "a key nonsense that loading does not know"),
        (lambda c: c["generator"].update(policy="CnnPolicy"), "cannot be built"),
        (lambda c: c["generator"]["policy_kwargs"].update(net_arch=[5]), "the net has"),
        (lambda c: c.pop("generator"), "no 'generator' section"),
        (lambda c: c.update(reward=3), "no 'reward' section"),
    ],
)
def test_a_foreign_or_damaged_config_is_refused(run_dir: Path, change: Any, message: str) -> None:
    edit(run_dir / "config.json", change)
    with pytest.raises(InvalidValueError, match=message):
        load_run(run_dir)


def test_damaged_files_are_refused(run_dir: Path) -> None:
    edit(run_dir / "spaces.json", lambda s: s.pop("action_space"))
    with pytest.raises(InvalidValueError, match="spaces.json is damaged"):
        load_run(run_dir)
    (run_dir / "config.json").write_text("[]")
    with pytest.raises(InvalidValueError, match="holds no mapping"):
        load_run(run_dir)
