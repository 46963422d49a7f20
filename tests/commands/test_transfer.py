"""`airl transfer`."""

import json
import shutil
from pathlib import Path

import gymnasium as gym
import pytest
from safetensors.torch import load_file

from airl_cli.algorithms import AdversarialTrainer
from airl_cli.envs.cart_pole import CartPolePhysicsEnv
from support.cli import Airl, Outcome

STRONG_PUSH = ("env=cartpole_physics", "env.force_mag=11")
TINY = (
    "generator.n_steps=64",
    "trainer.total_timesteps=1024",
    "evaluation.n_episodes=3",
    "recipe/expert@upper_bound=smoke-ppo",
    "hydra.run.dir=out",
)


@pytest.fixture
def transfer(airl: Airl, trained_run: Path, expert_cache: Path):
    def run(*arguments: str, env: tuple[str, ...] = STRONG_PUSH) -> Outcome:
        cache = f"upper_bound.cache_dir={expert_cache}"
        return airl("transfer", f"run={trained_run}", *env, *TINY, cache, *arguments)

    return run


def test_it_trains_on_the_frozen_reward_and_compares_five_policies(
    transfer, trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AdversarialTrainer, "train_disc", None)  # nothing may learn a reward here
    outcome = transfer(f"gail_run={trained_run}")
    assert outcome.code == 0, outcome.err
    for row in "abcde":
        assert f"({row})" in outcome.out
    result = json.loads(Path("out/result.json").read_text())
    assert result["env_id"] == "airl/CartPole-v0" and result["env_steps"] == 1024
    gap = result["expert_return_mean"] - result["source_return_mean"]
    share = result["learner_return_mean"] - result["source_return_mean"]
    assert result["transfer_score"] == pytest.approx(share / gap)
    assert json.loads(Path("out/config.json").read_text())["env"]["force_mag"] == 11
    assert Path("out/plots/learning_curve.png").stat().st_size > 1000
    given = load_file(trained_run / "checkpoints/final/reward.safetensors")
    kept = load_file(Path("out/checkpoints/final/reward.safetensors"))
    assert all(given[f"_base.{key}"].equal(value) for key, value in kept.items())


def test_a_sweep_directory_transfers_every_run_in_it(
    transfer, trained_run: Path, tmp_path: Path
) -> None:
    for name in ("0", "1"):
        shutil.copytree(trained_run, tmp_path / "sweep" / name)
    (tmp_path / "sweep" / "2" / ".hydra").mkdir(parents=True)  # a job that failed
    outcome = transfer("run=sweep")
    assert outcome.code == 0, outcome.err
    assert "Transfer over 2 runs" in outcome.out
    assert sorted(path.parent.name for path in Path("out").glob("*/result.json")) == ["0", "1"]


def test_other_observations_are_refused_with_both_spaces(airl: Airl, trained_run: Path) -> None:
    outcome = airl("transfer", f"run={trained_run}", "env=pendulum", "hydra.run.dir=out")
    assert outcome.code == 2
    assert "Box(4,)" in outcome.err.replace(" ", "") or "(4,)" in outcome.err
    assert "Pendulum-v1" in outcome.err and "(3,)" in outcome.err
    assert not Path("out").exists()


class ThreeActions(CartPolePhysicsEnv):
    """CartPole with a third action, which does what the first does."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = gym.spaces.Discrete(3)

    def step(self, action: int):
        return super().step(action % 2)


gym.register("test/ThreeActions-v0", ThreeActions, max_episode_steps=500)
THREE_ACTIONS = ("env=gym", "env.id=test/ThreeActions-v0")


def test_a_state_action_reward_is_refused_for_other_actions(airl: Airl, trained_run: Path) -> None:
    outcome = airl("transfer", f"run={trained_run}", *THREE_ACTIONS)
    assert outcome.code == 2
    assert "2" in outcome.err and "3" in outcome.err and "state_only" in outcome.err


def test_a_reward_of_states_alone_fits_any_actions(
    transfer, smoke: Airl, expert_cache: Path
) -> None:
    assert smoke("reward=state_only", "hydra.run.dir=states").code == 0
    outcome = transfer("run=states", env=THREE_ACTIONS)
    assert outcome.code == 0, outcome.err
    assert "(c)" not in outcome.out and "(b)" in outcome.out


def test_a_missing_run_and_a_missing_target_are_named(airl: Airl, trained_run: Path) -> None:
    outcome = airl("transfer", "run=nowhere", "env=point_maze")
    assert outcome.code == 2 and "nowhere" in outcome.err
    outcome = airl("transfer", f"run={trained_run}")
    assert outcome.code == 2 and "env=..." in outcome.err
    assert not list(Path().glob("outputs/transfer/*/*"))


def test_a_gail_run_is_allowed_with_a_warning(transfer, trained_run: Path, tmp_path: Path) -> None:
    gail = Path(shutil.copytree(trained_run, tmp_path / "gail"))
    config = json.loads((gail / "config.json").read_text())
    config["trainer"]["_target_"] = "airl_cli.algorithms.GAIL"
    (gail / "config.json").write_text(json.dumps(config))
    outcome = transfer(f"run={gail}")
    assert outcome.code == 0, outcome.err
    assert "not a reward" in outcome.out + outcome.err


def test_a_damaged_reward_file_is_refused(airl: Airl, trained_run: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(trained_run, tmp_path / "run"))
    weights = damaged / "checkpoints" / "final" / "reward.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    outcome = airl("transfer", f"run={damaged}", "env=cartpole_physics")
    assert outcome.code == 2 and "reward.safetensors" in outcome.err
