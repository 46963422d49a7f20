"""Policies by name: random and zero actions, saved models, and the policy of the AIRL paper."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from airl_cli.data.policies import Predictor
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.experts.checkpoint import ALGORITHMS, CheckpointExpert
from airl_cli.experts.hub import HubExpert
from airl_cli.features import NormalizeFeaturesExtractor
from airl_cli.policy_building import build_policy, rebuild_policy

__all__ = [
    "FeedForward32Policy",
    "NonTrainablePolicy",
    "NormalizeFeaturesExtractor",
    "RandomPolicy",
    "ZeroPolicy",
    "build_policy",
    "load_policy",
    "rebuild_policy",
]


class NonTrainablePolicy(BasePolicy, abc.ABC):
    """Base of policies that choose an action for each observation without a net.

    Args:
        observation_space: Of one environment.
        action_space: Of one environment.
    """

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        super().__init__(observation_space=observation_space, action_space=action_space)

    @abc.abstractmethod
    def _choose_action(self, obs: Any) -> np.ndarray:
        """The action for one observation."""

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        if isinstance(observation, dict):
            columns = {key: value.cpu().numpy() for key, value in observation.items()}
            n = len(next(iter(columns.values())))
            rows: Any = [{key: column[i] for key, column in columns.items()} for i in range(n)]
        else:
            rows = observation.cpu().numpy()
        return th.as_tensor(np.stack([self._choose_action(row) for row in rows]))


class RandomPolicy(NonTrainablePolicy):
    """Draws actions uniformly from the action space, whose own generator is used."""

    def _choose_action(self, obs: Any) -> np.ndarray:
        return np.asarray(self.action_space.sample())


class ZeroPolicy(NonTrainablePolicy):
    """Always the action zero.

    Raises:
        InvalidValueError: Zero is not in the action space.
    """

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space) -> None:
        super().__init__(observation_space, action_space)
        self._zero = np.zeros(action_space.shape or (), dtype=action_space.dtype)
        if not action_space.contains(self._zero[()]):
            raise InvalidValueError(f"the action 0 is not in the action space {action_space}.")

    def _choose_action(self, obs: Any) -> np.ndarray:
        return self._zero


class _SharedTrunk(nn.Module):
    """Two layers of 32 units for actor and critic alike."""

    def __init__(self, features_dim: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.shared_net = nn.Sequential(
            nn.Linear(features_dim, 32), activation(), nn.Linear(32, 32), activation()
        )
        self.latent_dim_pi = self.latent_dim_vf = 32

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        latent = self.shared_net(features)
        return latent, latent

    def forward_actor(self, features: Tensor) -> Tensor:
        return self.shared_net(features)

    def forward_critic(self, features: Tensor) -> Tensor:
        return self.shared_net(features)


class FeedForward32Policy(ActorCriticPolicy):
    """Actor and critic on one trunk of two layers of 32 units, as in the AIRL paper.

    Args:
        *args: Of `ActorCriticPolicy`.
        **kwargs: Likewise.
    """

    def _build_mlp_extractor(self) -> None:  # SB3 documents this hook for other architectures
        self.mlp_extractor = _SharedTrunk(self.features_dim, self.activation_fn)  # type: ignore[assignment]


def load_policy(policy_type: str, venv: VecEnv, **kwargs: Any) -> Predictor:
    """A policy by kind, for the spaces of `venv`.

    Args:
        policy_type: `random` or `zero`; an algorithm that saved a model (`ppo`, `sac`, ...); or
            such a name with `-huggingface`, for a model on the Hugging Face hub.
        venv: Where the policy is to act.
        **kwargs: `path` of the `.zip`, or of a folder that holds `model.zip`; on the hub
            `env_name`, and `organization` if it is not HumanCompatibleAI. Further ones are
            arguments of `airl_cli.experts.CheckpointExpert`, such as `policy_kwargs`. Pickles in
            the file are not run.

    Raises:
        InvalidValueError: The kind is unknown, or the model does not fit the environment.
        NotFoundError: There is no such model (a `FileNotFoundError`).
    """
    if policy_type in _SIMPLE:
        return _SIMPLE[policy_type](venv.observation_space, venv.action_space, **kwargs)
    algorithm = policy_type.removesuffix("-huggingface")
    if algorithm not in ALGORITHMS:
        known = ", ".join([*_SIMPLE, *ALGORITHMS])
        raise InvalidValueError(
            f"there is no policy of the kind {policy_type!r}.",
            f"Known are {known}, and the algorithms with -huggingface.",
        )
    if policy_type == algorithm:
        expert = CheckpointExpert(str(_model_file(Path(kwargs.pop("path")))), algorithm, **kwargs)
    else:
        owner = kwargs.pop("organization", "HumanCompatibleAI")
        name = kwargs.pop("env_name").replace("/", "-")  # as the hub spells it
        repo = f"{owner}/{algorithm}-{name}"
        expert = HubExpert(repo, algo=algorithm, **kwargs).checkpoint()
    return expert.load_policy(cast(Any, _Spaces(venv)))


@dataclass(frozen=True)
class _Spaces:
    """What experts ask of an `EnvSpec`, of a `VecEnv` that exists already."""

    venv: VecEnv
    id: str = "the environment"

    def spaces(self) -> tuple[spaces.Space, spaces.Space]:
        return self.venv.observation_space, self.venv.action_space


_SIMPLE: dict[str, type[NonTrainablePolicy]] = {"random": RandomPolicy, "zero": ZeroPolicy}


def _model_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    if not (path / "model.zip").is_file():
        raise NotFoundError(f"{path} is expected to be a folder that holds model.zip.")
    return path / "model.zip"
