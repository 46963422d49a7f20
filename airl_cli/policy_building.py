"""Policies built from spaces and settings, without an environment that can step."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env.base_vec_env import VecEnv

from airl_cli.data.policies import redraw_noise
from airl_cli.errors import AirlError, InvalidValueError, one_line
from airl_cli.seeding import isolated_rng
from airl_cli.serialization import load_weights


class SpacesVecEnv(VecEnv):
    """A `VecEnv` that has spaces and nothing else: enough to construct an SB3 algorithm on.

    Args:
        observation_space: Of one environment.
        action_space: Of one environment.
        n_envs: Number of environments it claims to be; algorithms size their buffers by it.
    """

    def __init__(
        self, observation_space: spaces.Space, action_space: spaces.Space, n_envs: int = 1
    ) -> None:
        super().__init__(n_envs, observation_space, action_space)

    def _refuse(self) -> NoReturn:
        raise RuntimeError("this environment only has spaces: it cannot be stepped or reset")

    def reset(self) -> NoReturn:
        """Refused."""
        self._refuse()

    def step_async(self, actions: Any) -> NoReturn:
        """Refused."""
        self._refuse()

    def step_wait(self) -> NoReturn:
        """Refused."""
        self._refuse()

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> NoReturn:
        """Refused."""
        self._refuse()

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """No attribute is set: None for each environment."""
        return [None] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> NoReturn:
        """Refused."""
        self._refuse()

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Nothing is wrapped."""
        return [False] * len(list(self._get_indices(indices)))

    def get_images(self) -> Sequence[None]:
        """No images."""
        return [None] * self.num_envs


def rebuild_policy(
    algorithm: Callable[..., BaseAlgorithm],
    observation_space: spaces.Space,
    action_space: spaces.Space,
    weights: str | Path,
    *,
    device: str = "cpu",
    n_envs: int = 1,
) -> BasePolicy:
    """The policy that `algorithm` makes for these spaces, filled from a safetensors file.

    Args:
        algorithm: A `functools.partial` of an SB3 algorithm, complete but for `env`.
        observation_space: Of one environment.
        action_space: Of one environment.
        weights: File that `save_weights(policy, ...)` wrote.
        device: Where the policy computes.
        n_envs: As in training, so that no size check of the algorithm complains.

    Raises:
        NotFoundError: If there are no weights.
        InvalidValueError: If the algorithm cannot be built for these spaces, or the weights do not
            fit the policy.
    """
    policy = build_policy(algorithm, observation_space, action_space, device=device, n_envs=n_envs)
    load_weights(policy, weights)
    with isolated_rng(0):
        redraw_noise(policy, 1)  # gSDE: the noise is that of the initial weights' deviation
    return policy


def build_policy(
    algorithm: Callable[..., BaseAlgorithm],
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    device: str = "cpu",
    n_envs: int = 1,
) -> BasePolicy:
    """The policy that `algorithm` makes for these spaces, for acting, with initial weights.

    Raises:
        InvalidValueError: If the algorithm cannot be built for these spaces.
    """
    venv = SpacesVecEnv(observation_space, action_space, n_envs)
    algorithm = _without_buffers(algorithm)
    try:
        with isolated_rng(0):  # the initial weights must not move the caller's random stream
            policy = algorithm(env=venv, device=device).policy
    except AirlError:
        raise
    except (AssertionError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidValueError(
            f"the policy cannot be built from its settings: {one_line(error)}"
        ) from error
    policy.set_training_mode(False)
    return policy


# Arguments of algorithms that decide how much memory their buffers take, and nothing else here.
_BUFFERS = {"n_steps": 2, "batch_size": 2, "buffer_size": 2, "optimize_memory_usage": False}


def _without_buffers(algorithm: Callable[..., BaseAlgorithm]) -> Callable[..., BaseAlgorithm]:
    """The algorithm with buffers as small as can be: nothing will be sampled with it."""
    given = getattr(algorithm, "keywords", {})
    return partial(algorithm, **{name: n for name, n in _BUFFERS.items() if name in given})
