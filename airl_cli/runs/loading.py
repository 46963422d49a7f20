"""Policy and rewards of a run directory, without executing anything that lies in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy

from airl_cli.algorithms import AdversarialTrainer
from airl_cli.algorithms.gail import RewardFromDiscriminator
from airl_cli.data.spaces import space_from_dict
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.nodes import with_current_names
from airl_cli.policy_building import rebuild_policy
from airl_cli.rewards import RewardNet
from airl_cli.runs import layout
from airl_cli.runs.checkpoint import find_checkpoint
from airl_cli.runs.safe_config import resolve, safe_instantiate
from airl_cli.serialization import load_weights, read_json

RewardPair = tuple[RewardNet, RewardNet]


@dataclass(frozen=True)
class LoadedRun:
    """What a run left behind, ready for use.

    Attributes:
        path: The run directory.
        checkpoint: The folder that the weights came from.
        config: The run's config, resolved; plain data.
        result: `result.json`; None where the run did not finish.
        observation_space: Of one environment.
        action_space: Likewise.
        policy: The learner; `policy.predict(obs)`.
        reward_train: The net that trained it, shaping included.
        reward_test: The net to use again; `predict(state, action, next_state, done)` on NumPy
            batches gives rewards (batch,).
    """

    path: Path
    checkpoint: Path
    config: Mapping[str, Any]
    result: Mapping[str, Any] | None
    observation_space: spaces.Space
    action_space: spaces.Space
    policy: BasePolicy
    reward_train: RewardNet
    reward_test: RewardNet

    @property
    def recovers_reward(self) -> bool:
        """Whether `reward_test` is meant as a reward; the discriminator of GAIL is not."""
        return not isinstance(self.reward_test, RewardFromDiscriminator)

    def env_spec(self, *, trusted: Sequence[str] = ()) -> EnvSpec:
        """The environment of the run; *making* it imports `env.import_module` of the config."""
        return safe_instantiate(_node(self.config, "env"), trusted=trusted)


def load_run(
    path: str | Path,
    *,
    checkpoint: str | int | None = None,
    device: str = "cpu",
    trusted: Sequence[str] = (),
) -> LoadedRun:
    """Policy, rewards and config of a run directory.

    Nothing of the directory is executed: its config may only name classes on a list, and weights
    are safetensors.

    Args:
        path: The run directory.
        checkpoint: Name of a folder under `checkpoints/`; by default `final`, or the newest one.
        device: Where the nets compute.
        trusted: Packages of your own that the config may name, e.g. `("my_nets",)`.

    Raises:
        NotFoundError: If it is no run directory, or has no (such) weights.
        InvalidValueError: If a file is damaged, the config names something that is not on the
            list, or weights and config do not fit each other.
    """
    folder = Path(path)
    config, observation_space, action_space = _read_structure(folder)
    weights = find_checkpoint(folder, checkpoint)
    reward_train, reward_test = _load_rewards(
        config, observation_space, action_space, weights, device, trusted
    )
    generator = {**_node(config, "generator"), "_partial_": True}
    result = folder / layout.RESULT
    return LoadedRun(
        path=folder,
        checkpoint=weights,
        config=config,
        result=read_json(result) if result.exists() else None,
        observation_space=observation_space,
        action_space=action_space,
        policy=rebuild_policy(
            safe_instantiate(generator, trusted=trusted),
            observation_space,
            action_space,
            weights / layout.POLICY_WEIGHTS,
            device=device,
            n_envs=_n_envs(config),
        ),
        reward_train=reward_train,
        reward_test=reward_test,
    )


def load_reward(
    path: str | Path,
    *,
    checkpoint: str | int | None = None,
    device: str = "cpu",
    trusted: Sequence[str] = (),
) -> RewardNet:
    """Just the learned reward of a run directory (`reward_test`); arguments as in `load_run`.

    `predict(state, action, next_state, done)` on NumPy batches gives rewards (batch,) float32.
    """
    folder = Path(path)
    config, observation_space, action_space = _read_structure(folder)
    weights = find_checkpoint(folder, checkpoint)
    return _load_rewards(config, observation_space, action_space, weights, device, trusted)[1]


def _read_structure(folder: Path) -> tuple[Mapping[str, Any], spaces.Space, spaces.Space]:
    if not (folder / layout.CONFIG).is_file():
        raise NotFoundError(
            f"{folder} is not a run directory: there is no {layout.CONFIG}",
            "Give a directory that `airl train` made, e.g. outputs/train/<env>/<time>.",
        )
    if not (folder / layout.SPACES).is_file():
        raise NotFoundError(f"{folder} has no {layout.SPACES}: the run ended before it trained")
    config = with_current_names(read_json(folder / layout.CONFIG))
    both = read_json(folder / layout.SPACES)
    if not isinstance(config, dict):
        raise InvalidValueError(f"{folder / layout.CONFIG} is damaged: it holds no mapping")
    if not isinstance(both, dict) or set(both) != {"observation_space", "action_space"}:
        raise InvalidValueError(f"{folder / layout.SPACES} is damaged")
    return (
        config,
        space_from_dict(both["observation_space"]),
        space_from_dict(both["action_space"]),
    )


def _load_rewards(
    config: Mapping[str, Any],
    observation_space: spaces.Space,
    action_space: spaces.Space,
    weights: Path,
    device: str,
    trusted: Sequence[str],
) -> RewardPair:
    trainer = resolve(_node(config, "trainer").get("_target_"), trusted=trusted)
    node = {**_node(config, "reward"), "_partial_": False}
    net = safe_instantiate(node, observation_space, action_space, trusted=trusted)
    if not isinstance(net, RewardNet):
        raise InvalidValueError(f"the run's reward is a {type(net).__name__}, not a reward net")
    load_weights(net, weights / layout.REWARD_WEIGHTS)
    net.to(device).eval()
    if isinstance(trainer, type) and issubclass(trainer, AdversarialTrainer):
        return trainer.rewards_of(net)
    raise InvalidValueError(f"the run's trainer {trainer!r} is not an AdversarialTrainer")


def _node(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    node = config.get(name)
    if not isinstance(node, Mapping):
        raise InvalidValueError(f"the run's config has no {name!r} section")
    return node


def _n_envs(config: Mapping[str, Any]) -> int:
    n_envs = _node(config, "env").get("n_envs", 1)
    return n_envs if isinstance(n_envs, int) and 1 <= n_envs <= 4096 else 1
