"""Experts on the Hugging Face hub: models of Stable-Baselines3, and datasets of trajectories."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airl_cli.data.digest import sha256
from airl_cli.data.formats import Recording
from airl_cli.data.formats.base import require
from airl_cli.data.formats.huggingface import HUGGINGFACE, episodes, quiet
from airl_cli.errors import InvalidValueError, NotFoundError, one_line
from airl_cli.experts.base import Demonstrations, Sampling
from airl_cli.experts.checkpoint import CheckpointExpert, check_algorithm
from airl_cli.experts.recorded import Selection, recorded_demonstrations
from airl_cli.limits import Count, Fraction
from airl_cli.quiet import quiet_loggers
from airl_cli.runs.hub import SCHEME, local_run

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec

_DEFAULT_EPISODES = 32
_TALKERS = ("huggingface_hub", "datasets")
"""Loggers that warn of what the error which follows says."""


@dataclass
class HubExpert:
    """A model or a dataset of trajectories from the hub, or from its cache on this machine.

    Args:
        repo: Its name, such as `sb3/ppo-CartPole-v1`.
        kind: What it holds; a `run` is one that `airl publish` made, whose policy is the expert.
        filename: Of the model in the repository; None: `<name of the repository>.zip`.
        algo: Algorithm that made the model, in lower case.
        policy: Of the model; see `CheckpointExpert`.
        policy_kwargs: Of the model; see `CheckpointExpert`.
        deterministic: Show the model's most likely actions instead of sampled ones.
        noise: Probability of a random action; for models.
        trust_pickle: Let Stable-Baselines3's loader run the pickles in the model.
        vec_normalize: Name of the file with `VecNormalize`'s statistics in the model's repository;
            a pickle.
        split: Of the dataset.
        clip_actions: Move the dataset's actions into the action space instead of refusing them.
        n_episodes: Episodes of demonstrations; None: 32 of a model, all of a dataset.
        subsample: Train on every k-th transition only.
        use_actions: Show actions; False: observations alone.
        sha256: What the content's must be; None: anything.
        device: Where the model computes.

    Raises:
        InvalidValueError: If a value is out of range.
    """

    repo: str
    kind: Literal["model", "dataset", "run"] = "model"
    filename: str | None = None
    algo: str = "ppo"
    policy: str | None = None
    policy_kwargs: Mapping[str, Any] | None = None
    deterministic: bool = False
    noise: Fraction = 0.0
    trust_pickle: bool = False
    vec_normalize: str | None = None
    split: str = "train"
    clip_actions: bool = False
    n_episodes: Count | None = None
    subsample: Count = 1
    use_actions: bool = True
    sha256: str | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.repo.count("/") != 1:
            raise InvalidValueError(
                f"expert.repo={self.repo} is no name of a repository.",
                "Write owner/name, e.g. sb3/ppo-CartPole-v1.",
            )
        if self.kind == "dataset" and self.noise:
            raise InvalidValueError(
                f"expert.noise={self.noise} has no meaning for recorded trajectories.",
                "Leave it at 0, or use a model.",
            )
        check_algorithm(self.algo)
        Sampling(self.n_episodes or _DEFAULT_EPISODES, self.noise, self.subsample)
        self._selection = Selection(
            n_episodes=self.n_episodes,
            subsample=self.subsample,
            use_actions=self.use_actions,
            clip_actions=self.clip_actions,
            sha256=self.sha256,
        )

    def demonstrations(self, env: EnvSpec, *, seed: int) -> Demonstrations:
        """Episodes of the model, or those of the dataset; see `Expert.demonstrations`.

        Raises:
            NotFoundError: If the repository or file can neither be downloaded nor found in the
                cache.
            InvalidValueError: If what it holds is damaged or does not fit `env`.
        """
        if self.kind == "dataset":
            return recorded_demonstrations(
                self._read_dataset,
                env,
                self._selection,
                seed=seed,
                repo=self.repo,
                split=self.split,
            )
        expert = self.published_run() if self.kind == "run" else self.checkpoint()
        found = expert.demonstrations(env, seed=seed)
        provenance = {**found.provenance, "source": "huggingface", "repo": self.repo}
        return Demonstrations(
            found.trajectories, found.policy, provenance, found.seconds, found.samples
        )

    def checkpoint(self) -> CheckpointExpert:
        """The repository's model as a file on this machine.

        Raises:
            NotFoundError: If it can neither be downloaded nor found in the cache.
        """
        return CheckpointExpert(
            path=self._file(self.filename or f"{self.repo.split('/')[1]}.zip"),
            algo=self.algo,
            policy=self.policy,
            policy_kwargs=self.policy_kwargs,
            trust_pickle=self.trust_pickle,
            vec_normalize=self._file(self.vec_normalize) if self.vec_normalize else None,
            **self._shown(),
        )

    def published_run(self) -> CheckpointExpert:
        """The learner of a run that `airl publish` made, as an expert; errors as `checkpoint`."""
        return CheckpointExpert(path=str(local_run(f"{SCHEME}{self.repo}")), **self._shown())

    def _shown(self) -> dict[str, Any]:
        """How a policy is shown, whatever it was read from."""
        names = ("noise", "subsample", "use_actions", "deterministic", "sha256", "device")
        chosen = {name: getattr(self, name) for name in names}
        return {"n_episodes": self.n_episodes or _DEFAULT_EPISODES, **chosen}

    def _file(self, filename: str) -> str:
        hub = require("huggingface_sb3", "hub", "expert=huggingface")
        try:
            with quiet_loggers(*_TALKERS, level=logging.ERROR):
                return str(hub.load_from_hub(repo_id=self.repo, filename=filename))
        except Exception as error:  # the hub, the network and the cache raise dozens of kinds
            raise self._unavailable(f"{filename} of {self.repo}", error) from error

    def _read_dataset(self) -> Recording:
        datasets = require("datasets", "hub", "expert=huggingface")
        try:
            with quiet(datasets), quiet_loggers(*_TALKERS, level=logging.ERROR):
                dataset = datasets.load_dataset(self.repo, split=self.split)
        except Exception as error:
            raise self._unavailable(f"the split {self.split} of {self.repo}", error) from error
        source = f"{self.repo}[{self.split}]"
        digest = hashlib.sha256()
        for file in dataset.cache_files:
            digest.update(sha256(file["filename"]).encode())
        return Recording(
            source=source,
            format=HUGGINGFACE.name,
            trajectories=episodes(source, dataset),
            sha256=digest.hexdigest(),
            verified=False,
        )

    def _unavailable(self, what: str, error: Exception) -> NotFoundError:
        reason = one_line(error)
        return NotFoundError(
            f"{what} can neither be downloaded from the hub nor found in its cache: {reason}.",
            "Check the names (expert.repo, expert.filename) and the network; without one, run it "
            "once on a machine that has, and copy its cache to HF_HOME here.",
        )
