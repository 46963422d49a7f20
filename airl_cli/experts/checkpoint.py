"""An expert that Stable-Baselines3 or sb3-contrib saved."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space

from airl_cli.data.digest import sha256
from airl_cli.data.policies import Predictor
from airl_cli.data.spaces import describe, same_space
from airl_cli.errors import InvalidValueError, NotFoundError, one_line
from airl_cli.experts.base import Demonstrations, PolicyExpert, Sampling, log
from airl_cli.experts.sb3_zip import SavedModel, read_model
from airl_cli.experts.wrappers import NormalizedPolicy, load_statistics
from airl_cli.files import FINAL_WEIGHTS, POLICY_WEIGHTS
from airl_cli.limits import Count, Fraction
from airl_cli.policy_building import build_policy
from airl_cli.runs.loading import load_run
from airl_cli.serialization import fill_module
from airl_cli.text import return_text

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec

ALGORITHMS = {
    **dict.fromkeys(("a2c", "ddpg", "dqn", "ppo", "sac", "td3"), "stable_baselines3"),
    **dict.fromkeys(("ars", "crossq", "qrdqn", "tqc", "trpo"), "sb3_contrib"),
}
_NAMES = {"crossq": "CrossQ"}
_SQUASHED = ("crossq", "ddpg", "sac", "td3", "tqc")
_DECISIVE = ("policy_class", "policy_kwargs", "observation_space", "action_space", "use_sde")


@dataclass
class CheckpointExpert(PolicyExpert):
    """A policy out of a `.zip` file or of a run directory, acting in the run's environment.

    Only the tensors in the file are loaded; the policy around them is built anew from the
    environment's spaces, the settings that are readable without unpickling, and `policy_kwargs`.

    Of a run of this program the learner is the expert; `algo`, `policy` and `policy_kwargs` have no
    meaning then.

    Args:
        path: The file, or a directory that `airl train` made.
        algo: Algorithm that made it, in lower case.
        policy: Name of the policy class; None: `CnnPolicy` for images, `MlpPolicy` otherwise.
        policy_kwargs: Of the policy, over those found in the file.
        n_episodes: Whole episodes of demonstrations.
        noise: Probability of a random action.
        subsample: Train on every k-th transition only.
        use_actions: Show actions; False: observations alone.
        deterministic: Show the most likely actions instead of sampled ones.
        trust_pickle: Let Stable-Baselines3's own loader run the pickles in the file, which can do
            anything that you can do on this machine.
        vec_normalize: File in which `VecNormalize` saved the statistics of the observations that
            the policy was trained on. It is a pickle, and needs `trust_pickle`.
        sha256: What the file's must be; None: anything.
        device: Where the policy computes.

    Raises:
        InvalidValueError: If a value is out of range or the algorithm unknown.
    """

    source: ClassVar[str] = "checkpoint"

    path: str
    algo: str = "ppo"
    policy: str | None = None
    policy_kwargs: Mapping[str, Any] | None = None
    n_episodes: Count = 32
    noise: Fraction = 0.0
    subsample: Count = 1
    use_actions: bool = True
    deterministic: bool = False
    trust_pickle: bool = False
    vec_normalize: str | None = None
    sha256: str | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        self.path = str(Path(self.path).expanduser())
        if self.vec_normalize is not None:
            self.vec_normalize = str(Path(self.vec_normalize).expanduser())
        self.sampling = Sampling(
            self.n_episodes, self.noise, self.subsample, self.deterministic, self.use_actions
        )
        check_algorithm(self.algo)

    def policy_for(self, env: EnvSpec, *, seed: int) -> tuple[Predictor, dict[str, Any]]:
        """The saved policy; errors as for `load_policy`."""
        return self.load_policy(env), {
            "path": str(self.path),
            "sha256": sha256(self._weights),
            "algo": self.algo,
            "trust_pickle": self.trust_pickle,
            "vec_normalize": self.vec_normalize,
            "deterministic": self.deterministic,
        }

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """Episodes of the saved policy; errors as for `load_policy`."""
        found = super().demonstrations(env, seed=seed)
        log.info(f"{self.path}: return {return_text(found.returns.mean())} in {env.id}")
        return found

    def load_policy(self, env: EnvSpec) -> Predictor:
        """The policy for `env`'s spaces.

        Raises:
            NotFoundError: If there is no such file.
            InvalidValueError: If it is damaged, holds more than tensors, or does not fit `env`.
        """
        policy = self._load_policy(env)
        if self.vec_normalize is None:
            self._mention_statistics()
            return policy
        statistics = load_statistics(
            self.vec_normalize, env.spaces(), trust_pickle=self.trust_pickle
        )
        return NormalizedPolicy(policy, statistics)

    @property
    def _weights(self) -> Path:
        """The file that holds the policy."""
        path = Path(self.path)
        return path / FINAL_WEIGHTS / POLICY_WEIGHTS if path.is_dir() else path

    def _load_policy(self, env: EnvSpec) -> BasePolicy:
        if not self._weights.is_file():
            raise NotFoundError(f"there is no model {self._weights}.", "Check expert.path.")
        if self.sha256 is not None and sha256(self._weights) != self.sha256.lower():
            raise InvalidValueError(
                f"{self._weights} has the SHA-256 {sha256(self._weights)}, not "
                f"expert.sha256={self.sha256}.",
                "It is another file, or damaged: get it again, or correct expert.sha256.",
            )
        spaces = env.spaces()
        if Path(self.path).is_dir():
            return self._of_run(spaces, env)
        if self.trust_pickle:
            return self._load_trusting(spaces, env)
        saved = read_model(self.path)
        self._check_readable(saved)
        if saved.action_bounds is not None:
            self._check_action_bounds(*saved.action_bounds, env)
        algorithm = find_algorithm(self.algo)
        known = inspect.signature(algorithm).parameters
        settings = {
            **{name: value for name, value in saved.settings.items() if name in known},
            # A buffer of the usual size would take gigabytes for nothing.
            **({"buffer_size": 1} if "buffer_size" in known else {}),
        }
        try:
            policy = build_policy(
                partial(
                    algorithm,
                    policy=self.policy or default_policy(spaces[0]),
                    policy_kwargs={**saved.policy_kwargs, **(self.policy_kwargs or {})},
                    **settings,
                ),
                *spaces,
                device=self.device,
            )
            fill_module(policy, saved.tensors, self.path)
        except InvalidValueError as error:
            raise InvalidValueError(
                f"{self.path} does not fit {env.id} and expert.algo={self.algo}: {error.problem}",
                "Correct env, expert.algo, or expert.policy_kwargs (e.g. {net_arch: [64, 64]}).",
            ) from error
        return policy

    def _load_trusting(self, spaces: tuple[Space[Any], Space[Any]], env: EnvSpec) -> BasePolicy:
        log.warning(
            f"expert.trust_pickle=true: Stable-Baselines3 loads {self.path}, "
            "and runs whatever code its pickles contain"
        )
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                policy = find_algorithm(self.algo).load(self.path, device=self.device).policy
        except Exception as error:  # a pickle may raise anything
            raise InvalidValueError(
                f"Stable-Baselines3 cannot load {self.path}: {one_line(error)}.",
                "Check expert.algo; save the file with the versions installed here, or leave out "
                "expert.trust_pickle: most models are read without their pickles.",
            ) from error
        # Stable-Baselines3 leaves out what it cannot unpickle, and takes defaults instead.
        for lost in re.findall(
            r"deserialize object (\w+)", " ".join(str(w.message) for w in caught)
        ):
            if lost in _DECISIVE:
                raise InvalidValueError(
                    f"Stable-Baselines3 cannot read {lost} of {self.path} with the versions "
                    "installed here: the policy would be another one.",
                    "Save the file anew with these versions, or leave out expert.trust_pickle and "
                    "give expert.policy_kwargs.",
                )
        self._check_spaces(policy, spaces, env)
        if isinstance(policy.action_space, Box):
            self._check_action_bounds(policy.action_space.low, policy.action_space.high, env)
        return policy

    def _of_run(self, spaces: tuple[Space[Any], Space[Any]], env: EnvSpec) -> BasePolicy:
        policy = load_run(self.path, device=self.device).policy
        self._check_spaces(policy, spaces, env)
        if isinstance(policy.action_space, Box):
            self._check_action_bounds(policy.action_space.low, policy.action_space.high, env)
        return policy

    def _check_spaces(
        self, policy: BasePolicy, spaces: tuple[Space[Any], Space[Any]], env: EnvSpec
    ) -> None:
        for ours, theirs, name in zip(
            spaces,
            (policy.observation_space, policy.action_space),
            ("observation", "action"),
            strict=True,
        ):
            if not same_space(ours, theirs) and ours.shape != theirs.shape:
                raise InvalidValueError(
                    f"{self.path} was trained with the {name} space {describe(theirs)}; {env.id} "
                    f"has {describe(ours)}.",
                    "Choose the environment that it was trained in.",
                )

    def _check_readable(self, saved: SavedModel) -> None:
        """Refuses settings that only a pickle holds, where nothing was given in their place."""
        given = {**(self.policy_kwargs or {}), **({"policy": 0} if self.policy else {})}
        for name, text in saved.unreadable.items():
            if name in given:
                continue
            what, key = f"policy argument {name}", f"expert.policy_kwargs.{name}"
            if name == "policy":
                what, key = "policy", "expert.policy"
            raise InvalidValueError(
                f"{self.path}: the {what} is {text}, which only a pickle in the file holds; "
                "without it the policy would be another one.",
                f"Give it with {key}, or, if you trust the file's author with your machine, set "
                "expert.trust_pickle=true.",
            )

    def _check_action_bounds(self, low: np.ndarray, high: np.ndarray, env: EnvSpec) -> None:
        space = env.spaces()[1]
        if not isinstance(space, Box) or low.size != space.low.size:
            return
        if np.allclose(low.ravel(), space.low.ravel()) and np.allclose(
            high.ravel(), space.high.ravel()
        ):
            return
        problem = (
            f"{self.path} was trained with actions from {low.min():g} to {high.max():g}; {env.id} "
            f"takes actions from {space.low.min():g} to {space.high.max():g}"
        )
        if self.algo in _SQUASHED:  # its actions are scaled to the bounds
            raise InvalidValueError(problem + ".", "Choose the environment that it was trained in.")
        log.warning(f"warning: {problem}")

    def _mention_statistics(self) -> None:
        """Warns of statistics of observations beside the file that are not used."""
        folder = Path(self.path).parent
        for file in sorted({*folder.glob("*.pkl"), *folder.glob("*/*.pkl")}):
            if "vecnormalize" in file.name.lower().replace("_", "").replace("-", ""):
                log.warning(
                    f"warning: {file} lies beside {self.path}: if the policy was trained on "
                    "normalised observations, it acts wrongly without expert.vec_normalize="
                    f"{file} expert.trust_pickle=true"
                )
                return


def check_algorithm(name: str) -> None:
    """Refuses unknown algorithms.

    Raises:
        InvalidValueError: Naming those that are known.
    """
    if name not in ALGORITHMS:
        raise InvalidValueError(
            f"expert.algo={name} is not known.", f"Set it to one of {', '.join(ALGORITHMS)}."
        )


def find_algorithm(name: str) -> type[BaseAlgorithm]:
    """The algorithm's class.

    Raises:
        NotFoundError: If sb3-contrib is needed and not installed.
    """
    try:
        module = importlib.import_module(ALGORITHMS[name])
    except ImportError as error:
        raise NotFoundError(
            f"expert.algo={name} needs sb3-contrib, which is not installed.",
            'Install it: pip install "airl-cli[contrib]"',
        ) from error
    found: type[BaseAlgorithm] = getattr(module, _NAMES.get(name, name.upper()))
    return found


def default_policy(observation_space: Space[Any]) -> str:
    """The name of the policy class that such observations usually get."""
    return "CnnPolicy" if is_image_space(observation_space) else "MlpPolicy"
