"""`airl transfer`."""

import json
import shutil
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors.torch import load_file

from airl_cli.algorithms import AdversarialTrainer, RewardTrainer
from airl_cli.commands.transfer import job_config
from airl_cli.config import conf_dir
from airl_cli.envs.cart_pole import CartPolePhysicsEnv
from airl_cli.runs import load_run
from support.cli import Airl, Outcome

STRONG_PUSH = ("env=cartpole_physics", "env.force_mag=11")
TINY = (
    "generator.n_steps=64",
    "trainer.total_timesteps=1024",
    "evaluation.n_episodes=3",
    "hydra.run.dir=out",
)


@pytest.fixture
def transfer(airl: Airl, trained_run: Path):
    def run(*arguments: str, env: tuple[str, ...] = STRONG_PUSH) -> Outcome:
        return airl("transfer", f"run={trained_run}", *env, *TINY, *arguments)

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
    if result["no_transfer_score_because"] is None:
        assert result["transfer_score"] == pytest.approx(share / gap)
    else:  # so short a training on the true reward may not beat the run's policy
        assert result["transfer_score"] is None
        assert "no transfer score" in outcome.out
    assert json.loads(Path("out/config.json").read_text())["env"]["force_mag"] == 11
    assert Path("out/plots/learning_curve.png").stat().st_size > 1000
    given = load_file(trained_run / "checkpoints/final/reward.safetensors")
    kept = load_file(Path("out/checkpoints/final/reward.safetensors"))
    assert all(given[f"_base.{key}"].equal(value) for key, value in kept.items())


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of every `RewardTrainer`, with its seed, generator and steps."""
    found: list[dict[str, Any]] = []

    class Spy(RewardTrainer):
        def __init__(self, **kwargs: Any) -> None:
            found.append(kwargs)
            super().__init__(**kwargs)

        def train(self, total_timesteps: int, *args: Any, **kwargs: Any) -> None:
            found[-1 if self.gen_algo is found[-1]["gen_algo"] else 0]["steps"] = total_timesteps
            super().train(total_timesteps, *args, **kwargs)

    monkeypatch.setattr("airl_cli.algorithms.RewardTrainer", Spy)
    monkeypatch.setattr("airl_cli.evaluation.retrain.RewardTrainer", Spy)
    return found


def test_the_upper_bound_gets_the_true_reward_and_else_what_the_learned_reward_gets(
    transfer, trainings: list[dict[str, Any]]
) -> None:
    outcome = transfer("generator.n_epochs=3", "trainer.normalize_gen_reward=false")
    assert outcome.code == 0, outcome.err
    learned, true = trainings
    assert learned["reward_net"] is not None and true["reward_net"] is None
    assert callable(learned["temperature"]) and true["temperature"] == 0
    assert learned["steps"] == true["steps"] == 1024
    for same in ("gen_train_timesteps", "normalize_gen_reward", "allow_variable_horizon"):
        assert learned[same] == true[same]
    for same in ("n_steps", "n_epochs", "batch_size", "gamma", "ent_coef"):
        assert getattr(learned["gen_algo"], same) == getattr(true["gen_algo"], same)
    assert learned["gen_algo"].seed != true["gen_algo"].seed


@pytest.mark.parametrize(
    "target",
    [
        *("point_maze", "airl_ant", "disabled_ant", "pendulum", "half_cheetah"),
        *("cartpole_physics", "pendulum_physics", "cheetah_physics", "hopper_physics"),
    ],
)
@pytest.mark.parametrize("more", [(), ("generator=sac",), ("trainer.total_timesteps=5120000",)])
def test_every_target_composes_the_same_budget_and_no_entropy(
    target: str, more: tuple[str, ...]
) -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("transfer", ["run=nowhere", f"env={target}", *more])
    assert cfg.upper_bound.temperature == 0
    assert cfg.upper_bound.total_timesteps == cfg.trainer.total_timesteps
    assert set(cfg.upper_bound) == {"total_timesteps", "temperature"}


def test_without_a_target_it_is_the_retrain_test_in_the_runs_own_environment(
    transfer, trained_run: Path, trainings: list[dict[str, Any]]
) -> None:
    outcome = transfer(env=())
    assert outcome.code == 0, outcome.err
    own = json.loads((trained_run / "config.json").read_text())
    config = json.loads(Path("out/config.json").read_text())
    assert config["env"] == own["env"]
    assert config["trainer"]["total_timesteps"] == 1024  # given
    result = json.loads(Path("out/result.json").read_text())
    source = json.loads((trained_run / "result.json").read_text())
    assert result["env_id"] == source["env_id"]
    low, high = source["random_return_mean"], source["expert_return_mean"]
    wanted = (result["learner_return_mean"] - low) / (high - low)
    assert result["retrain_score"] == pytest.approx(wanted)
    assert "retrain score" in outcome.out
    assert len(trainings) == 2


def test_the_runs_own_generator_is_used_unless_another_is_given(
    trained_run: Path, tmp_path: Path
) -> None:
    source = load_run(trained_run)
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = OmegaConf.to_container(compose("transfer", ["run=nowhere"]), resolve=True)
    assert isinstance(config, dict)
    own = job_config(config, source, [])
    assert own["generator"] == source.config["generator"]
    assert own["trainer"]["total_timesteps"] == source.config["trainer"]["total_timesteps"]
    assert own["upper_bound"]["total_timesteps"] == own["trainer"]["total_timesteps"]
    other = job_config(config, source, ["generator=ppo", "trainer.total_timesteps=5"])
    assert other["generator"] == config["generator"] != source.config["generator"]
    assert other["trainer"]["total_timesteps"] == config["trainer"]["total_timesteps"]


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
    assert "│ (c)" not in outcome.out and "(b)" in outcome.out


def test_a_missing_run_is_named(airl: Airl, trained_run: Path) -> None:
    outcome = airl("transfer", "run=nowhere", "env=point_maze")
    assert outcome.code == 2 and "nowhere" in outcome.err
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
