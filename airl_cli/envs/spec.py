"""What an `env` config describes."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Space
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.envs.make import VECTORIZATIONS, EnvWrapper, Vectorization, make_vec_env
from airl_cli.errors import InvalidValueError
from airl_cli.identity import describe, source_digest
from airl_cli.limits import Count, check_limits


@dataclasses.dataclass(frozen=True)
class EnvSpec:
    """An environment, and how many copies of it to run how.

    Attributes:
        id: Registered Gymnasium id; `module:id` imports the module first.
        n_envs: Copies that are stepped together.
        max_episode_steps: Time limit in steps that replaces the registered one.
        kwargs: Arguments of the environment's constructor.
        import_module: Module whose import registers the id.
        vectorization: `"dummy"`: all copies in this process; `"subproc"`: one process each;
            `"threads"`: a thread for each core, for steps that leave the interpreter (MuJoCo). All
            three give the same numbers. `"native"`: what Gymnasium has registered vectorised under
            the id, with numbers of its own.
        wrappers: Callables `env -> env`, innermost first; part of the task.
        history: Observations that are shown at a time: where one does not show the whole state,
            several may.

    Raises:
        InvalidValueError: If a value is out of range.
    """

    id: str
    n_envs: Count = 8
    max_episode_steps: Count | None = None
    kwargs: Mapping[str, Any] | None = None
    import_module: str | None = None
    vectorization: Vectorization = "dummy"
    wrappers: Sequence[EnvWrapper] = ()
    history: Count = 1

    def __post_init__(self) -> None:
        if not self.id:
            raise InvalidValueError("the environment has no id.", "Set env.id, e.g. Pendulum-v1.")
        check_limits(EnvSpec, vars(self))
        if self.vectorization not in VECTORIZATIONS:
            raise InvalidValueError(
                f"env.vectorization is {self.vectorization!r}.",
                f"Set it to one of {', '.join(VECTORIZATIONS)}.",
            )

    def make(self, seed: int, n_envs: int | None = None, **more: Any) -> VecEnv:
        """Make the vectorised environment.

        Args:
            seed: Determines everything random in it; but for `"native"` the vectorisation makes
                no difference.
            n_envs: Number of copies, if not the spec's own.
            **more: For `make_vec_env`.

        Raises:
            NotFoundError: If the id is unknown or something that it needs is not installed.
            InvalidValueError: If the environment does not accept `kwargs`.
        """
        return make_vec_env(
            self.id,
            rng=np.random.default_rng(seed),
            n_envs=self.n_envs if n_envs is None else n_envs,
            vectorization=self.vectorization,
            max_episode_steps=self.max_episode_steps,
            wrappers=self.wrappers,
            import_module=self.import_module,
            history=self.history,
            **{"env_make_kwargs": self.kwargs, **more},
        )

    def spaces(self) -> tuple[Space[Any], Space[Any]]:
        """Observation and action space of one copy; errors as for `make`."""
        venv = self.make(0, n_envs=1)
        venv.close()
        return venv.observation_space, venv.action_space

    def source_digest(self) -> str | None:
        """Tells versions of an environment's source apart; see `identity.source_digest`."""
        with closing(dataclasses.replace(self, vectorization="dummy").make(0, n_envs=1)) as venv:
            layers = [venv.envs[0]]  # type: ignore[attr-defined]
            while isinstance(layers[-1], gym.Wrapper):
                layers.append(layers[-1].env)
            return source_digest(*layers)

    def fingerprint(self) -> dict[str, Any]:
        """Everything that determines the task, JSON-able: not how many copies run, nor how.

        `"native"` is named, for it has other numbers.

        Raises:
            InvalidTypeError: If a wrapper or argument has no lasting name (a lambda).
        """
        return {
            "id": self.id,
            "max_episode_steps": self.max_episode_steps,
            "kwargs": describe(self.kwargs or {}),
            "import_module": self.import_module,
            "wrappers": describe(self.wrappers),
            **({} if self.history == 1 else {"history": self.history}),
            **({"vectorization": "native"} if self.vectorization == "native" else {}),
        }
