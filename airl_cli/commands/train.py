"""`airl train`: an expert's demonstrations, AIRL rounds, evaluation."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from omegaconf import DictConfig
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.algorithms import AdversarialTrainer
from airl_cli.algorithms.checks import check_total_timesteps
from airl_cli.algorithms.cloning import warm_start
from airl_cli.algorithms.log_prob import check_has_log_prob
from airl_cli.commands.job import JobContext, job_context, prepare_process, show
from airl_cli.commands.resuming import Job, find_job
from airl_cli.config.instantiation import add_keys, build
from airl_cli.data.transitions import WithoutActions
from airl_cli.data.types import Trajectory
from airl_cli.envs import EnvSpec, check_environment, check_fixed_horizon
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.evaluation import Baseline, Evaluation, evaluate, random_baseline
from airl_cli.evaluation.retrain import ROUND_SETTINGS, retrain
from airl_cli.experts import Demonstrations
from airl_cli.experts.check import check_demonstrations
from airl_cli.nodes import lookup
from airl_cli.runs import Run
from airl_cli.seeding import derive_seed


def train(cfg: DictConfig) -> float:
    """Learns a reward and a policy from an expert, and leaves a run directory behind.

    The order is that of cost: everything that can be refused is refused before anything is
    trained, the expert included.

    Args:
        cfg: The composed config of `conf/train.yaml`.

    Returns:
        The normalised score: 0 for random actions, 1 for the expert.

    Raises:
        AirlError: For a mistake in the config, or when training cannot go on.
    """
    context = job_context()
    job = find_job(cfg, context)
    score = job.score()
    if score is not None:
        context.log.info("%s is finished already", job.path)
        return score
    return train_job(job, context)


def train_job(job: Job, context: JobContext) -> float:
    """Trains and evaluates.

    Args:
        job: With its config checked.
        context: Of the command.

    Returns:
        The normalised score.

    Raises:
        AirlError: When training cannot begin, or cannot go on.
    """
    config = job.config
    seed, total_timesteps = config["seed"], config["trainer"]["total_timesteps"]
    prepare_process(config)
    env, expert = job.part("env"), job.part("expert")
    check_environment(env)
    check_retraining(config, job)
    with job.open(context) as run:
        n_episodes = config["evaluation"]["n_episodes"]
        random = random_baseline(env, n_episodes, derive_seed(seed, "evaluation"))
        # Trainers without the key are not misled by episodes of different length.
        any_length = config["trainer"].get("allow_variable_horizon", True) or config["trainer"].get(
            "absorbing"
        )
        check_fixed_horizon(
            random.lengths,
            allow_variable_horizon=any_length,
            what=f"random episodes of {env.id}",
        )
        check_demonstrations_suffice(config, random.lengths)
        with closing(env.make(derive_seed(seed, "environments"))) as venv:
            stand_in = random.episode
            if config["expert"].get("use_actions") is False:
                stand_in = WithoutActions([stand_in])[0]
            trainer = assemble(config, job.part, venv, run, stand_in=stand_in)
            build("trainer", check_total_timesteps, total_timesteps, trainer.gen_train_timesteps)
            demonstrations = expert.demonstrations(env, seed=seed)
            check_demonstrations(
                demonstrations,
                env,
                allow_variable_horizon=any_length,
            )
            give_demonstrations(trainer, demonstrations.for_training)
            batch_size, n_transitions = trainer.demo_batch_size, demonstrations.n_for_training
            if n_transitions < batch_size:
                message = "batches of %d repeat the %d demonstrated transitions"
                run.log.info(message, batch_size, n_transitions)
            run.set_references(demonstrations, random)
            warm_start_generator(config, trainer, demonstrations.for_training, run)
            run.train(trainer, total_timesteps)
            evaluation = evaluated(job, trainer, env, demonstrations, random)
            run.finish(trainer, evaluation)
    show(evaluation.table())
    run.log.info("everything is in %s", run.path)
    return evaluation.normalized_score


def evaluated(
    job: Job,
    trainer: AdversarialTrainer,
    env: EnvSpec,
    demonstrations: Demonstrations,
    random: Baseline,
) -> Evaluation:
    """The trained policy on the true reward; with `evaluation.retrain` new ones beside it.

    Args:
        job: With its config checked.
        trainer: At the end of training.
        env: The environment.
        demonstrations: The expert's.
        random: Episodes of random actions.
    """
    config, deterministic = job.config, job.config["evaluation"]["deterministic"]
    evaluation = evaluate(
        trainer.policy,
        env,
        seed=config["seed"],
        expert_policy=demonstrations.policy,
        expert_returns=demonstrations.returns,
        random=random,
        n_episodes=config["evaluation"]["n_episodes"],
        deterministic=deterministic,
    )
    if not config["evaluation"].get("retrain"):
        return evaluation
    return retrain(
        evaluation,
        job.part("generator"),
        env,
        trainer.reward_test,
        total_timesteps=config["trainer"]["total_timesteps"],
        absorbing_logit=trainer.absorbing_state.c,
        deterministic=deterministic,
        **{name: config["trainer"].get(name) for name in ROUND_SETTINGS},
    )


def assemble(
    config: dict[str, Any],
    part: Callable[[str], Any],
    venv: VecEnv,
    run: Run,
    stand_in: Trajectory,
) -> AdversarialTrainer:
    """Generator, reward net and trainer.

    Args:
        config: Checked, plain containers.
        part: From the name of a section to the object that it describes.
        venv: The environment to train in.
        run: Gets the logs.
        stand_in: An episode that takes the demonstrations' place until `set_demonstrations`:
            whatever the trainer refuses shows before an expert is trained.

    Raises:
        AirlError: If a part cannot be made, or does not fit the others.
    """
    seed = derive_seed(config["seed"], "generator")
    generator = build("generator", part("generator"), env=venv, seed=seed)
    if config["generator"].get("warm_start"):
        build("generator", check_has_log_prob, generator, trainer="BC")
    make_trainer, parts = part("trainer"), {}
    if make_trainer.func.learns_reward:
        spaces = venv.observation_space, venv.action_space
        parts["reward_net"] = build("reward", part("reward"), *spaces)
    batch_size = config["trainer"]["demo_batch_size"] or 1
    return build(
        "trainer",
        make_trainer,
        demonstrations=[stand_in] * -(-batch_size // len(stand_in)),
        venv=venv,
        gen_algo=generator,
        log_dir=run.path / "tensorboard",
        custom_logger=run.attach(build("logger", part("logger"), run.path)),
        **parts,
    )


def give_demonstrations(trainer: AdversarialTrainer, demonstrations: Any) -> None:
    """Hands demonstrations to a trainer; a refusal names the config's keys.

    Raises:
        AirlError: As `set_demonstrations`.
    """
    try:
        trainer.set_demonstrations(demonstrations)
    except AirlError as error:
        add_keys(error, "trainer", ["demo_batch_size"])
        raise


def check_retraining(config: Mapping[str, Any], job: Job) -> None:
    """Refuses the retrain test of a trainer that learns no reward.

    Raises:
        InvalidValueError: Naming the key.
    """
    if config["evaluation"].get("retrain") and not job.part("trainer").func.learns_reward:
        raise InvalidValueError(
            "evaluation.retrain=true trains on the learned reward; behaviour cloning learns none.",
            "Leave it out, or use trainer=airl.",
        )


def warm_start_generator(
    config: Mapping[str, Any], trainer: AdversarialTrainer, demonstrations: Any, run: Run
) -> None:
    """Clones the demonstrations into the generator's policy where `generator.warm_start` says so.

    A checkpoint that the run is resumed from holds a policy that was trained on since.

    Args:
        config: Checked, plain containers.
        trainer: That the generator belongs to.
        demonstrations: What it trains on.
        run: Gets a line in its log.
    """
    if not config["generator"].get("warm_start") or run.has_checkpoint:
        return
    rng = np.random.default_rng(derive_seed(config["seed"], "warm start"))
    log_prob = warm_start(trainer.gen_algo, trainer.venv, demonstrations, rng)
    run.log.info("the generator starts as a clone: log-likelihood %.3f", log_prob)


def check_demonstrations_suffice(
    config: Mapping[str, Any], lengths: Sequence[int] | np.ndarray
) -> None:
    """Refuses too few episodes of demonstrations for one batch, where lengths are fixed.

    Args:
        config: Plain containers.
        lengths: Of some episodes, in steps.

    Raises:
        InvalidValueError: If `expert.n_episodes` episodes hold less than
            `trainer.demo_batch_size` transitions.
    """
    n_episodes = lookup(config, "expert.n_episodes")
    batch_size = config["trainer"]["demo_batch_size"]
    if None in (n_episodes, batch_size) or len(set(lengths)) != 1:
        return
    # Of every k-th transition, counted from a random one: so many at least.
    length = max(1, int(lengths[0]) // (lookup(config, "expert.subsample") or 1))
    if n_episodes * length < batch_size:
        raise InvalidValueError(
            f"expert.n_episodes={n_episodes} of {length} steps are {n_episodes * length} "
            f"transitions, fewer than one batch of trainer.demo_batch_size={batch_size}.",
            f"Set expert.n_episodes={-(-batch_size // length)} or more, or "
            "trainer.demo_batch_size=null.",
        )
