"""`airl transfer run=<train run> env=<target>`: a run's reward, under other dynamics."""

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms import RewardTrainer
from airl_cli.commands.evaluate import check_fits
from airl_cli.commands.job import job_context, prepare_process, show
from airl_cli.config.instantiation import build, instantiate
from airl_cli.config.validation import TRANSFER_KEYS, validated
from airl_cli.data.spaces import describe, same_space
from airl_cli.envs import EnvSpec
from airl_cli.envs.check import check_fixed_horizon
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.evaluation import evaluate_policy_returns, random_baseline
from airl_cli.evaluation.transfer import TransferEvaluation, summary_table
from airl_cli.rewards import RewardNet
from airl_cli.runs import LoadedRun, Run, layout, load_run
from airl_cli.seeding import derive_seed

NOTHING = np.array([])


def transfer(cfg: DictConfig) -> float:
    """Trains new policies on the rewards of one run or of a sweep, and compares true returns.

    Args:
        cfg: The composed config of `conf/transfer.yaml`.

    Returns:
        The mean transfer score: 0 for the run's policy as it is, 1 for the true reward.

    Raises:
        AirlError: If there is no such run, its reward does not fit the target, or training
            cannot go on.
    """
    if cfg.get("env") is None:
        raise InvalidValueError(
            "no target environment is chosen.", "Add env=..., for example env=point_maze."
        )
    config = validated(cfg, TRANSFER_KEYS)
    prepare_process(config)
    context = job_context()
    env = instantiate(config["env"])
    trusted = config["trust"]
    sources = [load_run(path, trusted=trusted) for path in find_runs(Path(config["run"]))]
    gail = load_run(config["gail_run"], trusted=trusted) if config["gail_run"] else None
    for source in sources:
        check_reward_fits(source, env)
    if gail is not None:
        check_fits(gail, env)
    evaluations = []
    for source in sources:
        folder = context.output_dir / (source.path.name if len(sources) > 1 else "")
        job = {**config, "run": str(source.path)}
        with Run.create(
            folder, config=job, verbose=config["verbose"], multirun=context.multirun
        ) as run:
            evaluations.append(_transfer_one(job, env, source, gail, run))
        show(evaluations[-1].table())
    if len(evaluations) > 1:
        show(summary_table(evaluations))
    context.log.info("everything is in %s", context.output_dir)
    return float(np.mean([evaluation.transfer_score for evaluation in evaluations]))


def _transfer_one(
    config: dict[str, Any], env: EnvSpec, source: LoadedRun, gail: LoadedRun | None, run: Run
) -> TransferEvaluation:
    if not source.recovers_reward:
        run.log.warning("%s is a GAIL run: its discriminator is not a reward", source.path)
    seed, n_episodes = config["seed"], config["evaluation"]["n_episodes"]
    judged_on = derive_seed(seed, "evaluation")
    random = random_baseline(env, n_episodes, judged_on)
    check_fixed_horizon(
        random.lengths,
        allow_variable_horizon=config["trainer"]["allow_variable_horizon"],
        what=f"random episodes of {env.id}",
    )
    with closing(env.make(seed)) as venv:
        trainer = _assemble(config, venv, source.reward_test, run)
        upper_bound = instantiate(config["upper_bound"]).demonstrations(env, seed=seed)
        run.set_references(upper_bound, random)
        trainer.train(config["trainer"]["total_timesteps"], callback=run.after_round(trainer))

        def returns_of(policy: Any) -> np.ndarray:
            return evaluate_policy_returns(
                policy, env, n_episodes, judged_on, config["evaluation"]["deterministic"]
            )

        evaluation = TransferEvaluation(
            env_id=env.id,
            seed=seed,
            learner_returns=returns_of(trainer.policy),
            expert_returns=returns_of(upper_bound.policy),
            random_returns=random.returns,
            source_returns=returns_of(source.policy) if applies(source, venv) else NOTHING,
            gail_returns=NOTHING if gail is None else returns_of(gail.policy),
        )
        run.finish(trainer, evaluation)
    return evaluation


def _assemble(
    config: dict[str, Any], venv: VecEnv, reward_net: RewardNet, run: Run
) -> RewardTrainer:
    generator = build("generator", instantiate(config["generator"]), env=venv, seed=config["seed"])
    return build(
        "trainer",
        instantiate(config["trainer"], "total_timesteps"),
        venv=venv,
        gen_algo=generator,
        reward_net=reward_net,
        log_dir=run.path / layout.TENSORBOARD,
        custom_logger=run.attach(build("logger", instantiate(config["logger"]), run.path)),
    )


def check_reward_fits(source: LoadedRun, env: EnvSpec) -> None:
    """Refuses a target in which the run's reward is not defined.

    Raises:
        InvalidValueError: Naming both spaces.
    """
    venv = env.make(0, n_envs=1)
    venv.close()
    if not same_space(source.observation_space, venv.observation_space):
        raise InvalidValueError(
            f"the reward of {source.path} is defined on {describe(source.observation_space)}; "
            f"{env.id} shows {describe(venv.observation_space)}.",
            "Choose a target with the same observations.",
        )
    if source.reward_test.uses_action and not applies(source, venv):
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
