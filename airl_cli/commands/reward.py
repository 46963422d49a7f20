"""`airl reward run=<directory>`: what was learned, drawn and measured against the true reward."""

import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from airl_cli.commands.evaluate import check_fits, expert_of, part
from airl_cli.commands.job import accept, job_context, log, prepare_process, show
from airl_cli.config.instantiation import instantiate
from airl_cli.config.validation import REWARD_KEYS, validated
from airl_cli.data.transitions import with_some_actions
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import mean, plots, sample_episodes, versions
from airl_cli.evaluation.tables import comparison_table, learned_returns_table
from airl_cli.evaluation.verdict import LearnedReturns, judge, learned_returns
from airl_cli.experts.base import Expert
from airl_cli.nodes import lookup
from airl_cli.report.find import chosen_run
from airl_cli.rewards import RewardNet
from airl_cli.rewards.compare import Comparison, CoverageSample, compare
from airl_cli.rewards.map import RewardMap, check_dimensions, check_limits, map_rewards
from airl_cli.rewards.task import Episodes, Task, agrees
from airl_cli.runs import LoadedRun, layout, load_run
from airl_cli.seeding import derive_seed
from airl_cli.serialization import write_json


def reward(cfg: DictConfig) -> float:
    """Compares a run's reward with the true one, and draws it.

    Args:
        cfg: The composed config of `conf/reward.yaml`.

    Returns:
        Pearson's correlation of `reward_test` with the true reward.

    Raises:
        AirlError: If there is no such run, it does not fit the environment, or the environment
            does not offer what the coverage distribution needs.
    """
    config = validated(cfg, REWARD_KEYS)
    prepare_process(config)
    loaded = load_run(chosen_run(config["run"]), trusted=config["trust"])
    nets = rewards_of_run(loaded)
    env = part(config, loaded, "env")
    check_fits(loaded, env)
    seed = loaded.seed if config["seed"] is None else config["seed"]
    coverage, discount = instantiate(config["coverage"]), discount_of(config, loaded)
    task = inspect_task(env)
    check_heat_map(config["heat_map"], task)
    expert = expert_of(config, loaded, env)
    episodes = gather(loaded, env, expert, n_episodes=config["n_episodes"], seed=seed)
    task = trusted_task(task, episodes)
    sample: CoverageSample = coverage.sample(episodes, task, derive_seed(seed, "coverage"))
    comparisons = compare_all(nets, task, sample, discount, seed, config["n_mean_samples"])
    accept()
    folder = writable_folder(loaded.path, job_context().output_dir)
    setting = {"run": str(loaded.path), "env_id": env.id, "seed": seed, "discount": discount}
    returns = {
        name: learned_returns(loaded.reward_test, part)
        for name, part in episodes.by_source().items()
    }
    verdict = judge(returns, comparisons["reward_test"], *retrain_scores(loaded, env))
    content = {
        **setting,
        **report(comparisons, sample, task),
        "returns": {name: described(part) for name, part in returns.items()},
        "verdict": asdict(verdict),
    }
    write_json(folder / layout.REWARD_REPORT, content)
    draw(nets["reward_test"], episodes, task, config["heat_map"], folder / layout.PLOTS)
    show(comparison_table(comparisons, sample.description["distribution"]))
    show(learned_returns_table(returns))
    if task.true_reward is None:
        log.info(_NO_FUNCTION.format(task.id))
    log.info("the reward looks %s:", verdict.word)
    for reason in verdict.reasons:
        log.info("- %s", reason)
    log.info("reward.json and %s/ are in %s", layout.PLOTS, folder)
    return comparisons["reward_test"].pearson


_NO_FUNCTION = (
    "{} does not offer its reward as a function of arbitrary transitions: EPIC distance and the "
    "correlation of canonicalised rewards are unknown"
)


def retrain_scores(loaded: LoadedRun, env: EnvSpec) -> tuple[float | None, float | None]:
    """What the run's retrain test gave on the learned and on the true reward, in its own env."""
    result = loaded.result or {}
    if result.get("env_id") != env.id:
        return None, None
    scores = (result.get(name) for name in ("retrain_score", "true_reward_score"))
    learned, true = (float(s) if isinstance(s, (int, float)) else None for s in scores)
    return learned, true


def described(returns: LearnedReturns) -> dict[str, float]:
    """Means and deviations of one policy's returns, for JSON."""
    return {
        "learned_mean": mean(returns.learned),
        "learned_std": float(np.std(returns.learned)),
        "true_mean": mean(returns.true),
        "n_episodes": len(returns.learned),
    }


def compare_all(
    nets: Mapping[str, RewardNet],
    task: Task,
    sample: CoverageSample,
    discount: float,
    seed: int,
    n_mean_samples: int,
) -> dict[str, Comparison]:
    """Each reward against the true one, by name."""
    return {
        name: compare(
            *(net.predict, task.true_reward, sample),
            discount=discount,
            n_mean_samples=n_mean_samples,
            seed=derive_seed(seed, "canonicalisation"),
        )
        for name, net in nets.items()
    }


def rewards_of_run(loaded: LoadedRun) -> dict[str, RewardNet]:
    """`reward_test`, and `reward_train` where that is another one; warns of what is no reward."""
    if not loaded.recovers_reward:
        log.warning("%s is a GAIL run: its discriminator is not a reward", loaded.path)
    nets = {"reward_test": loaded.reward_test}
    if loaded.reward_train is not loaded.reward_test:
        nets["reward_train"] = loaded.reward_train
    return nets


def discount_of(config: Mapping[str, Any], loaded: LoadedRun) -> float:
    """The discount asked for, or else the generator's.

    Raises:
        InvalidValueError: If neither is known.
    """
    for value in (config["discount"], lookup(loaded.config, "generator.gamma")):
        if isinstance(value, (int, float)):
            return float(value)
    raise InvalidValueError(
        f"{loaded.path} does not say its generator's discount.", "Add discount=0.99, or what it is."
    )


def gather(
    loaded: LoadedRun, env: EnvSpec, expert: Expert, *, n_episodes: int, seed: int
) -> Episodes:
    """The run's demonstrations, and fresh episodes of its learner and of random actions."""
    demonstrations = expert.demonstrations(env, seed=seed)
    fresh = derive_seed(seed, "reward")
    return Episodes(
        demonstrations=[
            with_some_actions(episode, env.spaces()[1])  # which such a reward ignores
            for episode in islice(demonstrations.trajectories, n_episodes)
        ],
        learner=sample_episodes(loaded.policy, env, n_episodes, fresh),
        random=sample_episodes(None, env, n_episodes, fresh),
    )


def inspect_task(env: EnvSpec) -> Task:
    """What the environment tells about itself."""
    with closing(replace(env, vectorization="dummy").make(0, n_envs=1)) as venv:
        offered: dict[str, Any] = {}
        for name in ("true_reward", "reachable", "observation_names"):
            try:
                (offered[name],) = venv.get_attr(name)
            except AttributeError:
                offered[name] = None
        return Task(env.id, venv.observation_space, venv.action_space, **offered)


def trusted_task(task: Task, episodes: Episodes) -> Task:
    """The task, without a true reward that differs from what its steps gave."""
    if task.true_reward is None or agrees(task.true_reward, episodes):
        return task
    log.warning("%s gives other rewards than its true_reward says; it is not used", task.id)
    return replace(task, true_reward=None)


def check_heat_map(options: Mapping[str, Any], task: Task) -> None:
    """Refuses dimensions that the state does not have, and a wrong number of labels.

    Raises:
        InvalidValueError: Naming them.
    """
    if options["dimensions"] is not None:
        check_dimensions(options["dimensions"], task)
    if options["limits"] is not None:
        check_limits(options["limits"])
    if options["labels"] is not None and len(options["labels"]) != 2:
        raise InvalidValueError(
            f"heat_map.labels={options['labels']} are not two.",
            "Write one for each axis: heat_map.labels=[position,velocity].",
        )


def report(
    comparisons: Mapping[str, Comparison], sample: CoverageSample, task: Task
) -> dict[str, Any]:
    """What `reward.json` says: flat for `reward_test`, the others by name."""
    by_name = {name: asdict(comparison) for name, comparison in comparisons.items()}
    known = task.true_reward is not None
    return {
        **by_name.pop("reward_test"),
        **by_name,
        "coverage": sample.description,
        "true_reward": "function of the environment" if known else "of the sampled transitions",
        "note": None if known else _NO_FUNCTION.format(task.id),
        **versions(),
    }


def draw(
    net: RewardNet, episodes: Episodes, task: Task, options: Mapping[str, Any], folder: Path
) -> None:
    """Reward along an episode of each kind, and the heat map where states have two dimensions."""
    plots.reward_along_episodes(
        net,
        episodes.demonstrations[0],
        episodes.random[0],
        folder / "reward_along_episodes.png",
        learner=episodes.learner[0],
    )
    found = map_rewards(
        net.predict,
        episodes,
        task,
        dimensions=options["dimensions"],
        limits=options["limits"],
        resolution=options["resolution"],
    )
    if found is None:
        log.info("no heat map: the states of %s have no two dimensions that vary", task.id)
        return
    labels = options["labels"] or [task.name_of(i) for i in found.dimensions]
    _draw_map(found, episodes, labels, folder / "reward_heat_map.png")


def _draw_map(found: RewardMap, episodes: Episodes, labels: list[str], path: Path) -> None:
    plots.heat_map(
        {"learned reward": found.learned}
        | ({} if found.true is None else {"true reward": found.true}),
        found.x,
        found.y,
        labels,
        {
            {"demonstrations": "expert"}.get(name, name): part[0].obs[:, found.dimensions]
            for name, part in episodes.by_source().items()
        },
        path,
    )


def writable_folder(run: Path, otherwise: Path) -> Path:
    """The run directory, or another folder where it cannot be written."""
    try:
        with tempfile.TemporaryFile(dir=run):
            return run
    except OSError:
        log.warning("%s cannot be written", run)
        return otherwise
