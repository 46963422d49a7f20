"""An expert that an SB3 algorithm trains on the true reward, once."""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from airl_cli.algorithms import RewardTrainer
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.evaluation import (
    evaluate_policy_returns,
    lead,
    random_baseline,
    versions,
)
from airl_cli.experts import cache
from airl_cli.experts.base import PolicyExpert, Sampling, log
from airl_cli.experts.training import Candidate, TrainingProgress, train_best
from airl_cli.identity import describe, short_hash
from airl_cli.limits import Count, Fraction, NonNegative, Seed, check_limits
from airl_cli.policy_building import rebuild_policy
from airl_cli.quiet import leave_no_log_folder
from airl_cli.seeding import derive_seed, isolated_rng
from airl_cli.text import return_text

if TYPE_CHECKING:
    from airl_cli.envs import EnvSpec

_EVALUATION_EPISODES = 20
_EVALUATION_STEPS, _MOST_EPISODES = 4000, 500  # of short episodes more: their returns are chance
_KEPT = 0.9  # of the way from random actions to the promised return


@dataclass
class TrainedExpert(PolicyExpert):
    """Trains a stochastic expert once per environment and settings, and keeps it.

    The expert lies under `<cache_dir>/<env>-<hash>/` as `policy.safetensors` and `expert.json`;
    the hash covers the environment and all arguments up to `normalize_reward` but `n_episodes`.

    Args:
        algorithm: A `functools.partial` of an SB3 algorithm, complete but for `env`.
        total_timesteps: Environment steps of training.
        n_envs: Environments stepped side by side in training.
        n_episodes: Whole episodes of demonstrations.
        seed: Of the expert's training; not the run's, so that all runs share the expert.
        normalize_reward: Divide the rewards in training by their running scale.
        cache_dir: Where experts are kept.
        device: Where it is trained and acts.
        noise: Probability with which the demonstrator takes a random action instead of its own.
        subsample: Train on every k-th transition of the demonstrations only.
        use_actions: Show actions; False: observations alone.
        stop_when_settled: End the training before `total_timesteps` once 100 episodes in a row
            returned the same and none before more (`StopWhenSettled`). Without effect where
            there is a `temperature`, which asks for more than returns.
        temperature: Tau of the entropy that the expert is trained with: it maximises
            `E[sum_t r - tau log pi]`, so that its demonstrations are those of the maximum
            entropy model that AIRL assumes. 0: the plain reward.
        promised_return: True return that these settings are known to reach; None: unknown. An
            expert that covers less than 0.9 of the way to it from random actions is reported.
        n_candidates: Trainings that are begun; only the best is finished (`train_best`).

    Raises:
        InvalidValueError: If a number is out of range.
    """

    source: ClassVar[str] = "trained"

    algorithm: Callable[..., BaseAlgorithm]
    total_timesteps: Count
    n_envs: Count = 8
    n_episodes: Count = 32
    seed: Seed = 0
    normalize_reward: bool = False
    cache_dir: str = "outputs/experts"
    device: str = "cpu"
    noise: Fraction = 0.0
    subsample: Count = 1
    use_actions: bool = True
    stop_when_settled: bool = False
    temperature: NonNegative = 0.0
    promised_return: float | None = None
    n_candidates: Count = 1

    def __post_init__(self) -> None:
        check_limits(TrainedExpert, vars(self))
        if self.n_candidates > 1 and self.temperature != 0:
            raise InvalidValueError(
                f"n_candidates={self.n_candidates} with temperature={self.temperature}: candidates "
                "are compared by their plain returns.",
                "Set one of them: n_candidates=1 or temperature=0.",
            )
        self.sampling = Sampling(
            self.n_episodes, self.noise, self.subsample, use_actions=self.use_actions
        )

    def policy_for(self, env: EnvSpec, *, seed: int) -> tuple[BasePolicy, dict[str, Any]]:
        """The expert from its cache, or a newly trained one.

        Raises:
            InvalidValueError: If the algorithm cannot learn in `env`, the expert is not better
                than random actions, or the cache cannot be written.
        """
        folder = self.folder(env)
        found = self._reuse(env, folder)
        policy, record = found or self._train_once(env, folder)
        _check_better_than_random(record, folder)
        self._compare_with_promise(record)
        return policy, {
            "cache": str(folder),
            "reused": found is not None,
            "expert": record.determined_by,
            "expert_return_mean": float(np.mean(record.returns)),
            "random_return_mean": float(np.mean(record.random_returns)),
        }

    def _compare_with_promise(self, record: cache.ExpertRecord) -> None:
        """Warns of an expert far below what its recipe promises."""
        if self.promised_return is None:
            return
        mean, random = float(np.mean(record.returns)), float(np.mean(record.random_returns))
        if mean - random < _KEPT * (self.promised_return - random):
            log.warning(
                f"warning: the expert returns {return_text(mean)}, where its recipe promises "
                f"{return_text(self.promised_return)} (random actions {return_text(random)}): "
                "scores are relative to this expert; another one comes with "
                f"expert.seed={self.seed + 1} or a larger expert.total_timesteps"
            )

    def beside(self, run: Path, env: EnvSpec) -> TrainedExpert:
        """The expert as a run had it, whose relative cache is looked for beside the run, too.

        Args:
            run: The run's directory; its parents may hold the cache.
            env: The environment.
        """
        name = self.folder(env).name
        places = [Path(self.cache_dir), *(p / self.cache_dir for p in run.resolve().parents)]
        for place in places:
            if (place / name).is_dir():
                return dataclasses.replace(self, cache_dir=str(place))
        log.info(f"the run's expert {name} is not found in {self.cache_dir}, nor beside the run")
        return self

    def folder(self, env: EnvSpec) -> Path:
        """Where the expert for `env` lies or will lie."""
        name = env.id.replace("/", "-")
        return Path(self.cache_dir) / f"{name}-{short_hash(self._determined_by(env))}"

    def _determined_by(self, env: EnvSpec) -> dict[str, Any]:
        source = env.source_digest()
        return {
            "env": describe(env.fingerprint()),
            **({} if source is None else {"source": source}),
            "algorithm": _describe_algorithm(self.algorithm),
            "total_timesteps": self.total_timesteps,
            **({"stop_when_settled": True} if self.stop_when_settled else {}),
            "n_envs": self.n_envs,
            "seed": self.seed,
            "normalize_reward": self.normalize_reward,
            "temperature": self.temperature,
            **({} if self.n_candidates == 1 else {"n_candidates": self.n_candidates}),
        }

    def _reuse(self, env: EnvSpec, folder: Path) -> tuple[BasePolicy, cache.ExpertRecord] | None:
        """The cached expert; None if there is none or it is damaged."""
        if not folder.exists():
            return None
        try:
            record = cache.ExpertRecord.load(folder)
            if record.determined_by != self._determined_by(env):
                raise InvalidValueError(f"{folder / cache.RECORD} describes another expert")
            policy = self._rebuild(env, folder)
        except AirlError as error:
            log.warning(f"the cached expert is damaged, training it again: {error.problem}")
            return None
        mean, random = (float(np.mean(r)) for r in (record.returns, record.random_returns))
        log.info(
            f"reusing the expert {folder}, return {return_text(mean)} "
            f"(random actions {return_text(random)})"
        )
        return policy, record

    def _train_once(self, env: EnvSpec, folder: Path) -> tuple[BasePolicy, cache.ExpertRecord]:
        with cache.exclusive(folder):
            # Another process may have made it while this one waited for the lock.
            return self._reuse(env, folder) or self._train(env, folder)

    def _train(self, env: EnvSpec, folder: Path) -> tuple[BasePolicy, cache.ExpertRecord]:
        log.info(f"training the expert in {env.id}: {self.total_timesteps:,} steps")
        start = time.perf_counter()
        if self.temperature == 0:
            candidates = [self._candidate(env, number) for number in range(self.n_candidates)]
            model = train_best(
                candidates, self.total_timesteps, stop_when_settled=self.stop_when_settled
            )
        else:
            model = self._train_softly(env)
        seconds = time.perf_counter() - start
        judged_on = derive_seed(self.seed, "expert evaluation")
        random = random_baseline(env, _EVALUATION_EPISODES, judged_on)
        n_episodes = min(_MOST_EPISODES, int(_EVALUATION_STEPS / random.lengths.mean()))
        if n_episodes > _EVALUATION_EPISODES:
            random = random_baseline(env, n_episodes, judged_on)
        n_episodes = len(random.returns)
        record = cache.ExpertRecord(
            determined_by=self._determined_by(env),
            returns=evaluate_policy_returns(model.policy, env, n_episodes, judged_on).tolist(),
            random_returns=random.returns.tolist(),
            env_steps=model.num_timesteps,
            seconds=seconds,
            versions=dict(versions()),
        )
        cache.store(folder, model.policy, record)
        mean = float(np.mean(record.returns))
        log.info(
            f"trained the expert in {seconds:.0f} s, return {return_text(mean)} (random actions "
            f"{return_text(float(np.mean(record.random_returns)))}); kept in {folder}"
        )
        # From the file, as the next time, so that a cached expert and a fresh one act alike.
        return self._rebuild(env, folder), record

    def _candidate(self, env: EnvSpec, number: int) -> Candidate:
        purpose = f" of candidate {number}" if number else ""

        def build(stack: ExitStack) -> BaseAlgorithm:
            venv = env.make(self._seed(f"environments{purpose}"), n_envs=self.n_envs)
            stack.callback(venv.close)
            model = self._build(self._training_env(venv), self._seed(f"algorithm{purpose}"))
            leave_no_log_folder(model)
            return model

        return Candidate(self._seed(f"training{purpose}"), build)

    def _train_softly(self, env: EnvSpec) -> BaseAlgorithm:
        """Trains with the entropy of `temperature`."""
        with (
            closing(env.make(self._seed("environments"), n_envs=self.n_envs)) as venv,
            isolated_rng(self._seed("training")),
        ):
            model = self._build(venv, self._seed("algorithm"))
            trainer = RewardTrainer(
                venv=venv,
                gen_algo=model,
                custom_logger=Logger(None, []),
                reward_net=None,
                temperature=self.temperature,
                normalize_gen_reward=self.normalize_reward,
                allow_variable_horizon=True,
            )
            progress = TrainingProgress(self.total_timesteps)
            trainer.train(
                self.total_timesteps,
                lambda _: progress(model.num_timesteps, lambda: trainer.stats["true_return_mean"]),
            )
            return model

    def _seed(self, purpose: str) -> int:
        return derive_seed(self.seed, f"expert {purpose}")

    def _training_env(self, venv: VecEnv) -> VecEnv:
        if not self.normalize_reward:
            return venv
        return VecNormalize(venv, norm_obs=False, norm_reward=True, gamma=_gamma(self.algorithm))

    def _build(self, venv: VecEnv, seed: int) -> BaseAlgorithm:
        try:
            return self.algorithm(env=venv, seed=seed, device=self.device)
        except (AssertionError, TypeError, ValueError) as error:
            raise InvalidValueError(
                f"the expert's algorithm cannot be built for this environment: {error}",
                "Choose an expert that supports its spaces, or correct expert.algorithm.",
            ) from error

    def _rebuild(self, env: EnvSpec, folder: Path) -> BasePolicy:
        return rebuild_policy(
            self.algorithm,
            *env.spaces(),
            folder / cache.WEIGHTS,
            device=self.device,
            n_envs=self.n_envs,
        )


def _describe_algorithm(algorithm: Callable[..., BaseAlgorithm]) -> Any:
    """The algorithm's settings but those that change where it runs or what it says."""
    description = describe(algorithm)
    if isinstance(description, dict) and "kwargs" in description:
        for name in ("device", "verbose", "tensorboard_log", "stats_window_size"):
            description["kwargs"].pop(name, None)
    return description


def _gamma(algorithm: Callable[..., BaseAlgorithm]) -> float:
    """The discount that the algorithm will use; SB3's default where it cannot be seen."""
    parameter = inspect.signature(algorithm).parameters.get("gamma")
    return 0.99 if parameter is None else float(parameter.default)


def _check_better_than_random(record: cache.ExpertRecord, folder: Path) -> None:
    """Refuses an expert whose lead over random actions is within the noise."""
    difference, noise = lead(record.returns, record.random_returns)
    if difference > noise:
        return
    expert, random = (float(np.mean(r)) for r in (record.returns, record.random_returns))
    raise InvalidValueError(
        f"the expert is not better than random actions: it returns {return_text(expert)}, random "
        f"actions {return_text(random)}, a difference of {return_text(difference)} (noise "
        f"{return_text(noise)}); nothing could be learned from it ({folder})",
        "Train it longer (expert.total_timesteps) or with other settings (expert.algorithm).",
    )
