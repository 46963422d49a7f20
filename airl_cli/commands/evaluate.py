"""`airl evaluate run=<directory>`: a finished run's policy on the true reward, once more."""

from typing import Any

from omegaconf import DictConfig

from airl_cli.commands.job import accept, job_context, prepare_process, show
from airl_cli.config.instantiation import instantiate
from airl_cli.config.validation import EVALUATE_KEYS, validated
from airl_cli.data.spaces import describe, same_space
from airl_cli.envs import EnvSpec, check_environment
from airl_cli.errors import InvalidValueError
from airl_cli.evaluation import Evaluation
from airl_cli.evaluation import evaluate as compare
from airl_cli.evaluation.plots import return_histogram
from airl_cli.evaluation.videos import check_recordable, record_videos
from airl_cli.experts import TrainedExpert
from airl_cli.report.find import chosen_run
from airl_cli.runs import LoadedRun, layout, load_run
from airl_cli.seeding import derive_seed
from airl_cli.serialization import write_json


def evaluate(cfg: DictConfig) -> float:
    """Fresh episodes of learner, expert and random policy; a table, a plot and a `result.json`.

    With nothing but `run` given, the episodes are those of the run's own evaluation.
    The expert is the run's, from its cache; in another environment it is trained there first.
    With `video` further episodes of the learner are recorded.

    Args:
        cfg: The composed config of `conf/evaluate.yaml`.

    Returns:
        The normalised score.

    Raises:
        AirlError: If there is no such run, or its policy does not fit the environment.
    """
    config = validated(cfg, EVALUATE_KEYS)
    prepare_process(config)
    loaded = load_run(chosen_run(config["run"]), trusted=config["trust"])
    env = part(config, loaded, "env")
    check_environment(env)
    if config["video"]:
        check_recordable(env)
    check_fits(loaded, env)
    asked = {key: value for key, value in config["evaluation"].items() if value is not None}
    seed = loaded.seed if config["seed"] is None else config["seed"]
    context = job_context()
    expert = expert_of(config, loaded, env).demonstrations(env, seed=seed)
    settings = {**loaded.part("evaluation"), **asked}
    evaluation: Evaluation = compare(
        loaded.policy,
        env,
        seed=seed,
        expert_policy=expert.policy,
        expert_returns=expert.returns,
        n_episodes=settings["n_episodes"],
        deterministic=settings["deterministic"],
    )
    accept()
    result = evaluation.result(n_demonstrations=len(expert.trajectories))
    write_json(context.output_dir / layout.RESULT, {**result, "run": str(loaded.path)})
    return_histogram(evaluation.rows(), context.output_dir / layout.PLOTS / "returns.png")
    show(evaluation.table())
    if config["video"]:
        files = record_videos(
            loaded.policy,
            env,
            context.output_dir / layout.VIDEOS,
            seed=derive_seed(seed, "video"),
            n_episodes=config["video_episodes"],
            max_steps=config["video_steps"],
            deterministic=settings["deterministic"],
        )
        context.log.info("recorded %d episodes in %s", len(files), files[0].parent)
    context.log.info("everything is in %s", context.output_dir)
    return evaluation.normalized_score


def expert_of(config: dict[str, Any], loaded: LoadedRun, env: EnvSpec) -> Any:
    """The expert that the user chose, or else the run's, from its cache if that can be found."""
    expert = part(config, loaded, "expert")
    if config.get("expert") or not isinstance(expert, TrainedExpert):
        return expert
    return expert.beside(loaded.path, env)


def part(config: dict[str, Any], loaded: LoadedRun, name: str) -> Any:
    """What the user chose, or else what the run had; a run's config is not trusted."""
    if config.get(name):
        return instantiate(config[name])
    return loaded.part(name, trusted=config["trust"])


def check_fits(loaded: LoadedRun, env: EnvSpec) -> None:
    """Refuses an environment whose spaces are not those of the run's policy.

    Raises:
        InvalidValueError: Naming both.
    """
    venv = env.make(0, n_envs=1)
    venv.close()
    for name in ("observation_space", "action_space"):
        ours, theirs = getattr(loaded, name), getattr(venv, name)
        if not same_space(ours, theirs):
            raise InvalidValueError(
                f"the run's policy has the {name.replace('_', ' ')} {describe(ours)}; "
                f"{env.id} has {describe(theirs)}.",
                "Evaluate it in an environment with the same spaces.",
            )
