"""`airl transfer run=<train run> [env=<target>]`: new policies on a run's reward."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms import RewardTrainer
from airl_cli.commands.evaluate import check_fits
from airl_cli.commands.job import accept, job_context, prepare_process, show
from airl_cli.config.instantiation import build, instantiate
from airl_cli.config.validation import TRANSFER_KEYS, validated
from airl_cli.data.spaces import describe, same_space
from airl_cli.data.types import TrajectoryWithRew, true_returns
from airl_cli.envs import EnvSpec, check_environment, check_fixed_horizon
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.evaluation import mean, random_baseline, sample_episodes
from airl_cli.evaluation.retrain import ROUND_SETTINGS, train_on_reward
from airl_cli.evaluation.transfer import TransferEvaluation, summary_table
from airl_cli.experts.base import Demonstrations, describe_demonstrations
from airl_cli.report.find import chosen_run
from airl_cli.runs import LoadedRun, Run, layout, load_run
from airl_cli.seeding import derive_seed
from airl_cli.text import return_text

NOTHING = np.array([])


def transfer(cfg: DictConfig) -> float:
    """Trains new policies on the rewards of one run or of a sweep, and compares true returns.

    Args:
        cfg: The composed config of `conf/transfer.yaml`.

    Returns:
        The mean transfer score: 0 for the run's policy as it is, 1 for the true reward. NaN where
        no run has one.

    Raises:
        AirlError: If there is no such run, its reward does not fit the target, or training
            cannot go on.
    """
    config = validated(cfg, TRANSFER_KEYS)
    prepare_process(config)
    context = job_context()
    trusted = config["trust"]
    sources = [load_run(path, trusted=trusted) for path in find_runs(chosen_run(config["run"]))]
    gail = load_run(chosen_run(config["gail_run"]), trusted=trusted) if config["gail_run"] else None
    jobs = [job_config(config, source, context.overrides) for source in sources]
    envs = [environment(job, config, source) for job, source in zip(jobs, sources, strict=True)]
    for source, env in zip(sources, envs, strict=True):
        check_environment(env)
        check_reward_fits(source, env)
        if gail is not None:
            check_fits(gail, env)
    evaluations = []
    for job, env, source in zip(jobs, envs, sources, strict=True):
        folder = context.output_dir / (source.path.name if len(sources) > 1 else "")
        with Run.create(
            folder,
            config=job,
            verbose=config["verbose"],
            multirun=context.multirun,
            accepted=accept,
        ) as run:
            evaluations.append(_transfer_one(job, env, source, gail, run))
        show(evaluations[-1].table())
    if len(evaluations) > 1:
        show(summary_table(evaluations))
    context.log.info("everything is in %s", context.output_dir)
    scores = [e.transfer_score for e in evaluations if not np.isnan(e.transfer_score)]
    return mean(scores)


def job_config(
    config: Mapping[str, Any], source: LoadedRun, overrides: Sequence[str]
) -> dict[str, Any]:
    """The config of one source's transfer.

    Without a target environment it is the retrain test: the run's own environment and, where the
    command line does not give others, its own generator settings and number of steps.

    Args:
        config: Checked, plain containers.
        source: The run whose reward it is.
        overrides: Of the command line.
    """
    job = {**config, "run": str(source.path)}
    if config.get("env") is not None:
        return job
    given = {override.partition("=")[0].lstrip("+") for override in overrides}
    job["env"] = source.config["env"]
    if not any(key.split(".")[0] == "generator" for key in given):
        job["generator"] = source.config["generator"]
    own = {
        name: value
        for name, value in source.part("training").items()
        if name in ("total_timesteps", *ROUND_SETTINGS)
    }
    taken = {k: v for k, v in own.items() if v is not None and f"trainer.{k}" not in given}
    job["trainer"] = {**config["trainer"], **taken}
    if "upper_bound.total_timesteps" not in given:
        total = job["trainer"]["total_timesteps"]
        job["upper_bound"] = {**config["upper_bound"], "total_timesteps": total}
    return job


def environment(job: Mapping[str, Any], config: Mapping[str, Any], source: LoadedRun) -> EnvSpec:
    """The target: the one that was chosen, or else the run's; a run's config is not trusted."""
    if config.get("env") is None:
        return source.env_spec(trusted=config["trust"])
    return instantiate(job["env"])


def _transfer_one(
    config: dict[str, Any], env: EnvSpec, source: LoadedRun, gail: LoadedRun | None, run: Run
) -> TransferEvaluation:
    if not source.recovers_reward:
        run.log.warning("%s is a GAIL run: its discriminator is not a reward", source.path)
    seed, settings = config["seed"], config["evaluation"]
    judged_on = derive_seed(seed, "transfer evaluation")
    random = random_baseline(env, settings["n_episodes"], judged_on)
    check_fixed_horizon(
        random.lengths,
        allow_variable_horizon=config["trainer"]["allow_variable_horizon"]
        or config["trainer"]["absorbing"],
        what=f"random episodes of {env.id}",
    )
    generator = generator_of(config, source)
    episodes_of = partial(
        sample_episodes,
        env=env,
        n_episodes=settings["n_episodes"],
        seed=judged_on,
        deterministic=settings["deterministic"],
    )
    with closing(env.make(stream(config, source, "environments"))) as venv:
        trainer = _assemble(config, venv, generator, source, run)
        upper_bound = _train_upper_bound(config, env, generator, source, episodes_of, run)
        run.set_references(upper_bound, random)
        trainer.train(config["trainer"]["total_timesteps"], callback=run.after_round(trainer))
        evaluation = TransferEvaluation(
            env_id=env.id,
            seed=seed,
            learner_returns=true_returns(episodes_of(trainer.policy)),
            expert_returns=upper_bound.returns,
            random_returns=random.returns,
            source_returns=true_returns(episodes_of(source.policy))
            if applies(source, venv)
            else NOTHING,
            gail_returns=NOTHING if gail is None else true_returns(episodes_of(gail.policy)),
            run_levels=run_levels(config, source),
        )
        run.finish(trainer, evaluation)
    return evaluation


def _train_upper_bound(
    config: Mapping[str, Any],
    env: EnvSpec,
    generator: Callable[..., Any],
    source: LoadedRun,
    episodes_of: Callable[[Any], list[TrajectoryWithRew]],
    run: Run,
) -> Demonstrations:
    """(a): a policy trained on the true reward, and its evaluation episodes.

    The generator is the same as for the learned reward.
    """
    total_timesteps = config["upper_bound"]["total_timesteps"]
    run.log.info("(a): training on the true reward for %s steps", f"{total_timesteps:,}")
    seed = stream(config, source, "upper bound")
    started = time.perf_counter()
    policy = train_on_reward(
        partial(build, "generator", generator),
        env,
        None,
        total_timesteps=total_timesteps,
        seed=seed,
        temperature=config["upper_bound"]["temperature"],
        **{name: config["trainer"][name] for name in ROUND_SETTINGS},
    )
    episodes = episodes_of(policy)
    run.log.info("(a): true return %s", return_text(mean(true_returns(episodes))))
    provenance = describe_demonstrations(
        episodes, source="trained on the true reward", seed=seed, total_timesteps=total_timesteps
    )
    return Demonstrations(episodes, policy, provenance, time.perf_counter() - started)


def stream(config: Mapping[str, Any], source: LoadedRun, purpose: str) -> int:
    """A seed for one purpose: another one for each run, so that a table's seeds are independent."""
    return derive_seed(config["seed"], f"transfer {purpose}, run seed {source.config.get('seed')}")


def generator_of(config: Mapping[str, Any], source: LoadedRun) -> Callable[..., Any]:
    """Makes the SB3 algorithm; the node of a run's config is not trusted."""
    if config["generator"] is source.config["generator"]:
        algorithm: Callable[..., Any] = source.part("generator", trusted=config["trust"])
        return algorithm
    return instantiate(config["generator"], *TRANSFER_KEYS["generator"])


def run_levels(config: Mapping[str, Any], source: LoadedRun) -> tuple[float, float] | None:
    """Random and expert return of the run, where this is its own environment; else None."""
    if config["env"] is not source.config["env"] or source.result is None:
        return None
    random, expert = (source.result.get(f"{name}_return_mean") for name in ("random", "expert"))
    if not isinstance(random, (int, float)) or not isinstance(expert, (int, float)):
        return None
    return float(random), float(expert)


def _assemble(
    config: dict[str, Any],
    venv: VecEnv,
    generator: Callable[..., Any],
    source: LoadedRun,
    run: Run,
) -> RewardTrainer:
    return build(
        "trainer",
        instantiate(config["trainer"], "total_timesteps"),
        venv=venv,
        gen_algo=build("generator", generator, env=venv, seed=stream(config, source, "generator")),
        reward_net=source.reward_test,
        absorbing_logit=source.absorbing_logit,
        log_dir=run.path / layout.TENSORBOARD,
        custom_logger=run.attach(build("logger", instantiate(config["logger"]), run.path)),
    )


def check_reward_fits(source: LoadedRun, env: EnvSpec) -> None:
    """Refuses a run without a reward, or a target in which its reward is not defined.

    Raises:
        InvalidValueError: Naming the run, or both spaces.
    """
    uses_action = source.reward_test.uses_action
    venv = env.make(0, n_envs=1)
    venv.close()
    if not same_space(source.observation_space, venv.observation_space):
        raise InvalidValueError(
            f"the reward of {source.path} is defined on {describe(source.observation_space)}; "
            f"{env.id} shows {describe(venv.observation_space)}.",
            "Choose a target with the same observations.",
        )
    if uses_action and not applies(source, venv):
        raise InvalidValueError(
            f"the reward of {source.path} depends on actions in {describe(source.action_space)}; "
            f"{env.id} takes {describe(venv.action_space)}.",
            "Learn a reward of states alone (reward=state_only), which fits any actions.",
        )


def applies(source: LoadedRun, venv: VecEnv) -> bool:
    """Whether the run's policy can act in the environment."""
    return same_space(source.action_space, venv.action_space)


def find_runs(path: Path) -> list[Path]:
    """The run itself, or the runs of a sweep directory with a reward to take, in order.

    Raises:
        NotFoundError: If there is none.
    """
    if (path / layout.CONFIG).is_file():
        return [path]
    jobs = path.iterdir() if path.is_dir() else ()
    runs = [job for job in jobs if (job / layout.CHECKPOINTS / layout.FINAL).is_dir()]
    if not runs:
        raise NotFoundError(
            f"run={path} is neither a run nor a sweep with a finished run in it.",
            "Give a directory that `airl train` made, e.g. outputs/train/<env>/<time>.",
        )
    return sorted(runs, key=lambda run: (len(run.name), run.name))
