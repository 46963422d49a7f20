"""Bad invocations, generated from the configs themselves: every key, group and command.

A key that is added later is in the matrix by itself. Every invocation goes through the real
command line, in this process.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from omegaconf import OmegaConf
from stable_baselines3.common.base_class import BaseAlgorithm

from airl_cli.commands import COMMANDS
from airl_cli.config import conf_dir
from airl_cli.config.signatures import ALGORITHM, locate, parameters
from airl_cli.config.validation import (
    EVALUATE_KEYS,
    REWARD_KEYS,
    TRAIN_KEYS,
    TRANSFER_KEYS,
    OwnKeys,
)
from airl_cli.limits import broken_limit
from support.cli import Airl

BASES = {
    "train": [],
    "train with A2C": ["generator=a2c"],
    "train with SAC": ["env=pendulum", "generator=sac"],
}


def composed(command: str, overrides: list[str]) -> dict[str, Any]:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose(command, overrides)
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    return config


def leaves(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        elif not key.startswith("_") and "policy_kwargs" not in prefix:  # whatever a policy takes
            yield f"{prefix}{key}", value


def of_wrong_type(value: Any) -> str | None:
    """A value that a key with this default cannot take; None where it is hard to say."""
    if isinstance(value, bool):
        return "7"
    if isinstance(value, (int, float)):
        return "[text]"
    if isinstance(value, list):
        return "7"
    if isinstance(value, str):
        return "[1,2]"
    return None


def limited(command_keys: OwnKeys, config: dict[str, Any], path: str = "") -> Iterator[str]:
    """Overrides with a number outside each limit that the config's nodes declare."""
    hints = dict(command_keys.get(path, {}))
    if "_target_" in config:
        target = locate(config["_target_"], path)
        hints = {**parameters(target)[0], **hints}
        if inspect.isclass(target) and issubclass(target, BaseAlgorithm):
            hints |= {key: Annotated[float, limit] for key, limit in ALGORITHM.items()}
    for key, value in config.items():
        if isinstance(value, dict):
            yield from limited(command_keys, value, f"{path}.{key}".lstrip("."))
        for bad in (-1, 0, 1.5, 2**32) if key in hints else ():
            number = [bad] if isinstance(value, list) else bad
            if broken_limit(number, hints[key]):
                yield f"{path}.{key}={number}".lstrip(".").replace(" ", "")
                break


def generated() -> Iterator[tuple[str, list[str]]]:
    """Pairs of what must be named and a command line."""
    seen: set[str] = set()
    for name, base in BASES.items():
        config = composed("train", base)
        keys = dict(leaves(config))
        for path, value in keys.items():
            wrong = of_wrong_type(value)
            if path == "generator.gamma":
                wrong = None  # reward.discount_factor follows it, and is named first
            if path not in seen and wrong is not None:
                yield path, ["train", *base, f"{path}={wrong}"]
        for override in limited(TRAIN_KEYS, config):
            if override.partition("=")[0] not in seen:
                yield override.partition("=")[0], ["train", *base, override]
        for path, value in keys.items():
            if path not in seen and isinstance(value, float):
                yield path, ["train", *base, f"{path}={'nan' if len(path) % 2 else 'inf'}"]
            if path not in seen and isinstance(value, int) and not isinstance(value, bool):
                yield path, ["train", *base, f"{path}=1e20"]
        if name == "train":
            own = [f"{node}.{key}".lstrip(".") for node, keys in TRAIN_KEYS.items() for key in keys]
            for path in own:
                if path not in ("env", "generator", "expert"):  # recipes are named after them
                    yield path, ["train", f"~{path}"]
        seen |= set(keys)
        if name == "train":
            for path in [*(p for p in keys if p.count(".") < 2)][::3]:
                yield f"{path}x", ["train", f"{path}x=1"]
    for command, own_keys in OF_COMMANDS.items():
        typical = TYPICAL[command]
        for path in (f"{node}.{key}".lstrip(".") for node in own_keys for key in own_keys[node]):
            if f"{path}=nowhere" not in typical:
                yield path, [command, *typical, f"~{path}"]
                yield path, [command, *typical, f"{path}={{a: 1}}"]
    for group in ("env", "expert", "reward", "generator", "trainer", "evaluation", "logger"):
        yield "nonsense", ["train", f"{group}=nonsense"]
        yield "nonsense'", ["train", f"+{group}.nonsense=1"]
    for group in ("recipe/expert", "experiment", "hydra/launcher", "hydra/sweeper"):
        yield "nonsense", ["train", f"{group}=nonsense"]
    for command in COMMANDS:
        if command == "demos":
            continue
        yield "nonsense", [command, "nonsense=1"]
        yield "--nonsense", [command, "--nonsense"]
        yield "seed", [command, "seed=[a"]
        yield "torch_threads", [command, *TYPICAL.get(command, []), "torch_threads=0"]
        yield "device", [command, *TYPICAL.get(command, []), "device=[]"]


# What a command needs besides, to come as far as its other keys.
TYPICAL = {
    "evaluate": ["run=nowhere"],
    "transfer": ["run=nowhere", "env=cartpole"],
    "reward": ["run=nowhere"],
    "check": ["env=cartpole"],
}

OF_COMMANDS = {
    "evaluate": EVALUATE_KEYS,
    "transfer": TRANSFER_KEYS,
    "reward": REWARD_KEYS,
}

BY_HAND: list[tuple[str, list[str]]] = [
    ("trian", ["trian"]),
    ("--trian", ["--trian"]),
    ("env=cartpole", ["env=cartpole"]),
    ("run", ["evaluate"]),
    ("run", ["reward"]),
    ("run", ["transfer", "env=cartpole"]),
    ("env", ["transfer", "run=nowhere"]),
    ("nowhere", ["evaluate", "run=nowhere"]),
    ("nowhere", ["reward", "run=nowhere"]),
    ("nowhere", ["transfer", "run=nowhere", "env=cartpole"]),
    ("nowhere", ["train", "resume=nowhere"]),
    ("resume", ["train", "resume=[a,b]"]),
    ("trust", ["train", "trust=numpy"]),
    ("nowhere", ["train", "--config-dir", "nowhere"]),
    ("nowhere", ["train", "--config-name", "nowhere"]),
    ("seed", ["train", "seed=0,1"]),
    ("seed", ["train", "seed"]),
    ("seed", ["train", "seed="]),
    ("seed", ["train", "seed=1.5"]),
    ("seed", ["train", "seed=-1"]),
    ("seed", ["train", "seed=null"]),
    ("seed", ["train", "seed=true"]),
    ("a b", ["train", "a b"]),
    ("env.id", ["train", "env=gym"]),
    ("env.id", ["train", "env=gym", "env.id=null"]),
    ("CartPol-v1", ["train", "env=gym", "env.id=CartPol-v1"]),
    ("", ["train", "env=gym", "env.id=''"]),
    ("no_module", ["train", "env=gym", "env.id=no_module:Env-v0"]),
    ("no_module", ["train", "env.import_module=no_module"]),
    ("render_modes", ["train", "+env.kwargs.render_modes=x"]),
    ("env.vectorization", ["train", "env.vectorization=thread"]),
    ("env.n_envs", ["train", "env.n_envs=0"]),
    ("env.n_envs", ["train", "env.n_envs=1e-3"]),
    ("env.n_envs", ["train", "env.n_envs=nan"]),
    ("env.max_episode_steps", ["train", "env.max_episode_steps=0"]),
    ("env.max_episode_steps", ["train", "env.max_episode_steps=abc"]),
    ("generator.learning_rate", ["train", "generator.learning_rate=-1e-3"]),
    ("generator.learning_rate", ["train", "generator.learning_rate=0"]),
    ("generator.learning_rate", ["train", "generator.learning_rate=nan"]),
    ("generator.learning_rate", ["train", "generator.learning_rate=inf"]),
    ("generator.learning_rate", ["train", "generator.learning_rate=1e-3.5"]),
    ("generator.gamma", ["train", "generator.gamma=1.5"]),
    ("generator.gamma", ["train", "generator.gamma=-0.1"]),
    ("generator.gae_lambda", ["train", "generator.gae_lambda=1.01"]),
    ("MlpPolice", ["train", "generator.policy=MlpPolice"]),
    ("PPO", ["train", "generator.policy=CnnPolicy"]),
    ("PPO", ["train", "generator.policy=MultiInputPolicy"]),
    ("generator.n_steps", ["train", "generator.n_steps=0"]),
    ("", ["train", "generator.n_steps=1", "env.n_envs=1"]),
    ("generator.policy_kwargs", ["train", "generator.policy_kwargs=7"]),
    ("net_arc", ["train", "+generator.policy_kwargs.net_arc=[32]"]),
    ("generator.batch_size", ["train", "generator.batch_size=0"]),
    ("SAC", ["train", "generator=sac"]),
    ("trainer.demo_batch_size", ["train", "trainer.demo_batch_size=0"]),
    ("trainer.demo_batch_size", ["train", "trainer.demo_batch_size=1000000"]),
    ("trainer.demo_minibatch_size", ["train", "trainer.demo_minibatch_size=100"]),
    ("trainer.demo_minibatch_size", ["train", "trainer.demo_minibatch_size=0"]),
    ("trainer.total_timesteps", ["train", "trainer.total_timesteps=0"]),
    ("trainer.total_timesteps", ["train", "trainer.total_timesteps=1"]),
    ("trainer.total_timesteps", ["train", "trainer.total_timesteps=1e400"]),
    ("trainer.gen_train_timesteps", ["train", "trainer.gen_train_timesteps=0"]),
    ("trainer.gen_replay_buffer_capacity", ["train", "trainer.gen_replay_buffer_capacity=0"]),
    ("trainer.n_disc_updates_per_round", ["train", "trainer.n_disc_updates_per_round=-1"]),
    ("trainer.disc_opt_kwargs.lr", ["train", "trainer.disc_opt_kwargs.lr=0"]),
    ("betaz", ["train", "+trainer.disc_opt_kwargs.betaz=1"]),
    ("trainer.disc_opt_cls", ["train", "trainer.disc_opt_cls=Adam"]),
    ("torch.optim.Adan", ["train", "trainer.disc_opt_cls._target_=torch.optim.Adan"]),
    ("trainer.checkpoint_every", ["train", "trainer.checkpoint_every=0"]),
    ("trainer.keep_checkpoints", ["train", "trainer.keep_checkpoints=0"]),
    ("trainer.checkpoint_share", ["train", "trainer.checkpoint_share=2"]),
    ("evaluation.n_episodes", ["train", "evaluation.n_episodes=0"]),
    ("evaluation.n_episodes", ["train", "evaluation.n_episodes=1.5"]),
    ("evaluation.deterministic", ["train", "evaluation.deterministic=maybe"]),
    ("", ["train", "reward=cnn"]),
    ("reward.reward_hid_sizes", ["train", "reward.reward_hid_sizes=32"]),
    ("reward.reward_hid_sizes", ["train", "reward.reward_hid_sizes=[32,x]"]),
    ("reward.reward_hid_sizes", ["train", "reward.reward_hid_sizes=[0]"]),
    ("reward.potential_hid_sizes", ["train", "reward.potential_hid_sizes=[-3]"]),
    ("generator.policy_kwargs.net_arch", ["train", "+generator.policy_kwargs.net_arch=[0]"]),
    ("", ["train", "reward.use_state=false", "reward.use_action=false"]),
    ("reward.n_members", ["train", "reward=ensemble", "reward.n_members=0"]),
    ("reward.n_members", ["train", "reward=ensemble", "reward.n_members=1"]),
    ("airl_cli.rewards.Nothing", ["train", "reward._target_=airl_cli.rewards.Nothing"]),
    ("", ["train", "reward._target_=os.getcwd"]),
    ("airl_cli.algorithms.AIR", ["train", "trainer._target_=airl_cli.algorithms.AIR"]),
    ("formats", ["train", "logger.formats=tensorboard"]),
    ("wandbx", ["train", "logger.formats=[wandbx]"]),
    ("gpu", ["train", "device=gpu"]),
    ("meta", ["train", "device=meta"]),
    ("SparseAdam", ["train", "trainer.disc_opt_cls._target_=torch.optim.SparseAdam"]),
    ("LBFGS", ["train", "trainer.disc_opt_cls._target_=torch.optim.LBFGS"]),
    ("env", ["train", "~env"]),
    ("upper_bound", ["transfer", "run=nowhere", "env=cartpole", "upper_bound=nosuch"]),
    ("heat_map.resolution", ["reward", "run=nowhere", "heat_map.resolution=1000000"]),
    ("x" * 20, ["evaluate", f"run={'x' * 4000}"]),
    ("x" * 20, ["report", "x" * 5000]),
    ("cuda:99", ["train", "device=cuda:99"]),
    ("torch_threads", ["train", "torch_threads=0"]),
    ("verbose", ["train", "verbose=loud"]),
    ("", ["train", "expert=checkpoint"]),
    ("nowhere.zip", ["train", "expert=checkpoint", "expert.path=nowhere.zip", "expert.algo=ppo"]),
    ("", ["train", "expert=trajectories"]),
    ("nowhere.npz", ["train", "expert=trajectories", "expert.path=nowhere.npz"]),
    ("expert.n_episodes", ["train", "expert.n_episodes=0"]),
    ("expert.n_episodes", ["train", "expert.n_episodes=1", "trainer.demo_batch_size=4096"]),
    ("expert.total_timesteps", ["train", "expert.total_timesteps=0"]),
    ("expert.algorithm.learning_rate", ["train", "expert.algorithm.learning_rate=-1"]),
    ("expert.algorithm.gamma", ["train", "expert.algorithm.gamma=2"]),
    ("expert.n_envs", ["train", "expert.n_envs=0"]),
    ("differ in length", ["train", "env=gym", "env.id=CartPole-v1", "trainer.absorbing=false"]),
    ("hydra.run.dir", ["train", "hydra.run.dir=/proc/airl"]),
    ("hydra.nonsense", ["train", "hydra.nonsense=1"]),
    ("nonsense", ["train", "seed=${nonsense}"]),
    ("path", ["demos", "info"]),
    ("demos", ["demos"]),
    ("nonsense", ["demos", "nonsense"]),
    ("nowhere.npz", ["demos", "info", "path=nowhere.npz"]),
    ("nowhere.npz", ["demos", "check", "path=nowhere.npz", "env=cartpole"]),
    ("nowhere.npz", ["demos", "plot", "path=nowhere.npz"]),
    ("nowhere.npz", ["demos", "convert", "path=nowhere.npz", "output=x.npz"]),
]

MATRIX = [*generated(), *BY_HAND]


@pytest.fixture(autouse=True)
def _compose_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Hydra composes every config a second time, only to read hydra.mode: half of the time here.
    monkeypatch.setattr(Hydra, "get_mode", lambda *args, **kwargs: None)


def test_the_matrix_has_about_500_invocations() -> None:
    assert len({" ".join(arguments) for _, arguments in MATRIX}) > 480
    commands = {arguments[0] for _, arguments in MATRIX}
    assert set(COMMANDS) <= commands


@pytest.mark.parametrize(
    ("named", "arguments"), MATRIX, ids=lambda v: "" if isinstance(v, str) else " ".join(v)
)
def test_a_bad_invocation_is_two_lines_and_exit_code_2(
    airl: Airl, tmp_path: Path, named: str, arguments: list[str]
) -> None:
    outcome = airl(*arguments)
    assert outcome.code == 2, outcome
    lines = outcome.err.splitlines()
    assert 1 <= len(lines) <= 3, outcome.err
    assert lines[0].startswith("error: "), outcome.err
    assert len(lines[0]) < 600
    assert "Traceback" not in outcome.out + outcome.err
    assert named in outcome.err
    assert len(lines) > 1, f"no remedy: {outcome.err}"
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == []


CONFIGS = {
    "open": "id: [1,2\n",
    "list": "- a\n",
    "empty": "",
    "cycle": "defaults:\n - cycle\nid: x\n",
    "alias": "_target_: airl_cli.envs.EnvSpec\nid: &a [*a]\n",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_malformed_configs_of_the_users_own_are_two_lines(
    airl: Airl, tmp_path: Path, name: str
) -> None:
    (tmp_path / "own" / "env").mkdir(parents=True)
    (tmp_path / "own" / "env" / f"{name}.yaml").write_text(CONFIGS[name])
    outcome = airl("train", "-cd", "own", f"env={name}", "experiment=smoke")
    assert outcome.code == 2, outcome
    assert len(outcome.err.splitlines()) == 2
    assert outcome.err.startswith("error: ")
    assert not list(tmp_path.rglob("*.log"))


def test_limits_that_signatures_declare_are_in_the_matrix() -> None:
    overrides = [*limited(TRAIN_KEYS, composed("train", ["reward=ensemble"]))]
    keys = {override.partition("=")[0] for override in overrides}
    assert {"seed", "env.n_envs", "reward.n_members", "trainer.demo_batch_size"} <= keys
    assert len(keys) > 40
