"""What bad input gets: two lines and exit code 2, before any training."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from airl_cli import load_run
from airl_cli.algorithms import AdversarialTrainer
from support.cli import Airl, Outcome

Refused = Callable[..., tuple[str, str]]


@pytest.fixture
def refused(smoke: Airl, tmp_path: Path) -> Refused:
    """Runs a training that must be refused before anything is trained."""

    def run(*overrides: str) -> tuple[str, str]:
        outcome = smoke("expert.cache_dir=untouched", *overrides)
        assert outcome.code == 2, outcome
        assert "Traceback" not in outcome.err + outcome.out
        first, _, rest = outcome.err.partition("\n")
        assert first.startswith("error: ")
        assert len(rest.splitlines()) == 1
        assert not (tmp_path / "untouched").exists(), "an expert was trained"
        assert not list(tmp_path.rglob("config.json")), "a run directory was left behind"
        return first, rest

    return run


CASES = {
    "unknown environment": (["env=gym", "env.id=CartPol-v1"], "'CartPol-v1'", "CartPole-v1"),
    "no environment": (["env=gym"], "env.id is not set", "env.id=<value>"),
    "unknown module": (["env.import_module=nomodule"], "'nomodule'", "env.import_module"),
    "unknown argument of the environment": (["+env.kwargs.x=1"], "'x'", "env.kwargs"),
    "net for pictures on numbers": (["reward=cnn"], "image observations", "reward=shaped"),
    "policy for pictures on numbers": (["generator.policy=CnnPolicy"], "PPO refuses", "generator"),
    "net without input": (["reward.use_state=false", "reward.use_action=false"], "no input", "use"),
    "minibatch that does not divide": (
        ["trainer.demo_minibatch_size=100"],
        "demo_minibatch_size=100 does not divide trainer.demo_batch_size=128",
        "64",
    ),
    "less than a round": (
        ["trainer.total_timesteps=511"],
        "trainer.total_timesteps=511 is not enough for one round of 512 steps",
        "trainer.total_timesteps=512",
    ),
    "less than a round, given explicitly": (
        ["trainer.gen_train_timesteps=4096"],
        "not enough for one round of 4096 steps",
        "4096",
    ),
    "fewer demonstrations than a batch": (
        ["trainer.demo_batch_size=4096", "expert.n_episodes=4"],
        "2000 transitions, fewer than one batch of trainer.demo_batch_size=4096",
        "expert.n_episodes=9",
    ),
    "variable horizon": (
        ["env=gym", "env.id=CartPole-v1", "trainer.absorbing=false"],
        "differ in length",
        "trainer.allow_variable_horizon=true",
    ),
    "text for a number": (["trainer.demo_batch_size=x"], "'x' is of the wrong type", "whole"),
    "text for the seed": (["seed=x"], "seed='x' is of the wrong type", "whole number"),
    "fraction for a whole number": (["env.n_envs=1.5"], "wrong type", "whole number"),
    "number for a list": (["reward.reward_hid_sizes=32"], "wrong type", "a list"),
    "null for a number": (["evaluation.n_episodes=null"], "wrong type", "whole number"),
    "added although it is there": (
        ["+trainer.demo_batch_size=64"],
        "trainer.demo_batch_size is in the config already",
        "Type trainer.demo_batch_size=<value>",
    ),
    "unknown argument": (["+generator.learnin_rate=1"], "no argument", "'learning_rate'"),
    "unknown argument further down": (
        ["+trainer.demo_minibatch=64"],
        "unexpected keyword argument 'demo_minibatch'",
        "'demo_minibatch_size'",
    ),
    "unknown class": (
        ["trainer._target_=airl_cli.algorithms.AIR"],
        "airl_cli.algorithms.AIR cannot be imported",
        "'AIRL'",
    ),
    "not a class": (["reward._target_=airl_cli.__version__"], "not a class", ""),
    "out of range": (
        ["generator.gamma=1.5"],
        "generator.gamma must be more than 0 and at most 1, got 1.5",
        "generator.gamma",
    ),
    "unknown log format": (["logger.formats=[x]"], "'x'", "tensorboard"),
    "unknown device": (["device=gpu"], "device=gpu cannot be used", "device=cpu"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_in_the_config_is_refused_before_training(case: str, refused: Refused) -> None:
    overrides, problem, remedy = CASES[case]
    first, rest = refused(*overrides)
    assert problem in first
    assert remedy in rest or not remedy


@pytest.mark.skipif(importlib.util.find_spec("Box2D") is not None, reason="Box2D is installed")
def test_an_environment_that_is_not_installed_names_the_extra(refused: Refused) -> None:
    first, rest = refused("env=gym", "env.id=LunarLander-v3")
    assert "'LunarLander-v3' needs something that is not installed" in first
    assert 'pip install "airl-cli[box2d]"' in rest


@pytest.fixture
def off_policy_groups(tmp_path: Path) -> str:
    """A config folder with generators whose policies have no action probabilities."""
    folder = tmp_path / "mine/generator"
    folder.mkdir(parents=True)
    for name in ("DQN", "TD3"):
        (folder / f"{name.lower()}.yaml").write_text(
            f"_target_: stable_baselines3.{name}\n_partial_: true\npolicy: MlpPolicy\n"
            "buffer_size: 1000\ngamma: 0.99\n"
        )
    return str(tmp_path / "mine")


@pytest.mark.parametrize(("generator", "env"), [("dqn", "cartpole"), ("td3", "pendulum")])
def test_a_generator_without_action_probabilities_is_refused(
    airl: Airl, off_policy_groups: str, generator: str, env: str, tmp_path: Path
) -> None:
    outcome = airl(
        *("train", "--config-dir", off_policy_groups, f"generator={generator}", f"env={env}"),
        *("trainer.demo_batch_size=64", "evaluation.n_episodes=4"),
    )
    assert outcome.code == 2
    assert generator.upper() in outcome.err
    assert "PPO" in outcome.err
    assert not (tmp_path / "outputs/experts").exists()


def test_a_generator_for_other_actions_is_refused(airl: Airl, off_policy_groups: str) -> None:
    outcome = airl(
        *("train", "--config-dir", off_policy_groups, "generator=dqn", "env=pendulum"),
        "evaluation.n_episodes=2",
    )
    assert outcome.code == 2
    assert "DQN refuses its arguments" in outcome.err
    assert "Box" in outcome.err


@pytest.mark.parametrize("directory", ["taken", "taken/run"])
def test_an_output_directory_that_cannot_be_written_is_refused(
    smoke: Airl, tmp_path: Path, directory: str
) -> None:
    (tmp_path / "taken").write_text("a file")
    outcome = smoke(f"hydra.run.dir={directory}")
    assert outcome.code == 2
    assert "cannot be written" in outcome.err
    assert "hydra.run.dir" in outcome.err
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_directory_that_holds_a_run_is_not_overwritten(
    smoke: Airl, trained_run: Path, tmp_path: Path
) -> None:
    mine = Path(shutil.copytree(trained_run, tmp_path / "mine"))
    outcome = smoke("hydra.run.dir=mine", "seed=1")
    assert outcome.code == 2
    assert "holds a run already" in outcome.err
    for name in ("result.json", "config.json", "status.json"):
        assert (mine / name).read_bytes() == (trained_run / name).read_bytes()


def test_an_expert_no_better_than_random_is_refused(smoke: Airl, tmp_path: Path) -> None:
    outcome = smoke("expert.total_timesteps=256", "expert.cache_dir=experts")
    assert outcome.code == 2
    assert "not better than random" in outcome.err
    assert "expert.total_timesteps" in outcome.err
    assert not list((tmp_path / "outputs").rglob("metrics.csv"))


def failed_run(outcome: Outcome, tmp_path: Path) -> Path:
    assert outcome.code == 1
    (status,) = tmp_path.glob("outputs/train/*/*/status.json")
    return status.parent


def test_infinity_in_training_stops_the_run_and_keeps_the_last_good_weights(
    smoke: Airl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = AdversarialTrainer.train_disc

    def poisoned(self: AdversarialTrainer, **kwargs: Any) -> Any:
        if self.gen_algo.num_timesteps > 2 * self.gen_train_timesteps:
            with torch.no_grad():
                next(self.reward_net.parameters()).fill_(torch.inf)
        return whole(self, **kwargs)

    monkeypatch.setattr(AdversarialTrainer, "train_disc", poisoned)
    outcome = smoke()
    folder = failed_run(outcome, tmp_path)
    assert "round 2" in outcome.err
    assert "NaN or infinity" in outcome.err
    assert '"failed"' in (folder / "status.json").read_text()
    assert "Traceback" in (folder / "train.log").read_text()
    assert "Traceback" not in outcome.err + outcome.out
    for net in (load_run(folder).reward_train, load_run(folder).policy):
        assert all(torch.isfinite(weight).all() for weight in net.parameters())


def test_an_unexpected_exception_is_one_line_with_the_traceback_in_the_log(
    smoke: Airl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: object, **kwargs: object) -> None:
        raise RuntimeError("something broke")

    monkeypatch.setattr("airl_cli.algorithms.AdversarialTrainer.train", breaks)
    outcome = smoke()
    folder = failed_run(outcome, tmp_path)
    assert outcome.err.startswith("error: RuntimeError: something broke\n")
    assert str(folder) in outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert "in breaks" in (folder / "train.log").read_text()


def test_an_interrupted_run_keeps_its_weights(
    smoke: Airl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = AdversarialTrainer.train

    def interrupted(
        self: AdversarialTrainer, total: int, callback: Callable[[int], None], **more: int
    ) -> None:
        def stop(number: int) -> None:
            callback(number)
            if number == 1:
                raise KeyboardInterrupt

        whole(self, total, stop, **more)

    monkeypatch.setattr(AdversarialTrainer, "train", interrupted)
    outcome = smoke()
    assert outcome.code == 130
    (status,) = tmp_path.glob("outputs/train/*/*/status.json")
    assert '"interrupted"' in status.read_text()
    assert list(status.parent.glob("checkpoints/*/policy.safetensors"))
