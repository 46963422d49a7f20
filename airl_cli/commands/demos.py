"""`airl demos <verb>`: demonstrations recorded, converted, looked at and checked."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig

from airl_cli.commands.job import job_context, prepare_process, show
from airl_cli.config.instantiation import instantiate
from airl_cli.config.validation import PROCESS_KEYS, validated
from airl_cli.data import formats
from airl_cli.data.summary import summarise
from airl_cli.data.validate import EpisodeValidator
from airl_cli.envs import EnvSpec, check_environment
from airl_cli.envs.dynamics import time_limit
from airl_cli.errors import InvalidValueError
from airl_cli.experts.check import check_fit
from airl_cli.experts.recorded import truncated_at_limit
from airl_cli.reporting import demos as reporting

Config = Mapping[str, Any]

DEMOS_KEYS: Mapping[str, Mapping[str, Any]] = {
    "": {
        **PROCESS_KEYS,
        "verb": str,
        "path": str,
        "output": str | None,
        "format": str | None,
        "overwrite": bool,
        "columns": Mapping[str, Any] | None,
        "incomplete": Literal["keep", "drop"],
        "drop_last_action": bool,
        "terminal_at_limit": Literal["terminal", "truncated"],
        "allow_variable_horizon": bool,
        "n_replayed": int,
    }
}


def demos(cfg: DictConfig) -> None:
    """Does what the verb says.

    Args:
        cfg: The composed config of `conf/demos.yaml`.

    Raises:
        AirlError: If something needed is not given, a recording is damaged, or it does not fit.
    """
    config = validated(cfg, DEMOS_KEYS)
    prepare_process(config)
    if config["verb"] not in _VERBS:
        raise InvalidValueError(
            f"verb={config['verb']} is none of {', '.join(_VERBS)}.", "airl demos --help"
        )
    _VERBS[config["verb"]](config)


def record(config: Config) -> None:
    """Samples an expert into a file of whole episodes."""
    path = config["path"]
    env_config = _needed(config, "env", "env=cartpole")
    expert_config = _needed(config, "expert", "expert=ppo")
    if expert_config.get("subsample", 1) != 1:
        raise InvalidValueError(
            f"expert.subsample={expert_config['subsample']}: a recording keeps whole episodes.",
            "Give expert.subsample to airl train instead.",
        )
    formats.check_target(path, config["format"], overwrite=config["overwrite"])
    env = instantiate(env_config)
    check_environment(env)
    demonstrations = instantiate(expert_config).demonstrations(env, seed=config["seed"])
    observation_space, action_space = env.spaces()
    formats.write(
        path,
        demonstrations.trajectories,
        format=config["format"],
        overwrite=config["overwrite"],
        observation_space=observation_space,
        action_space=action_space,
        metadata={"env": env.id, **demonstrations.provenance},
    )
    info(config)


def convert(config: Config) -> None:
    """Writes a recording in another format."""
    output = config["output"]
    if output is None:
        raise InvalidValueError("convert needs to know where to.", "Add output=<file or folder>.")
    name = formats.check_target(output, config["format"], overwrite=config["overwrite"])
    env = instantiate(config["env"]) if config.get("env") else None
    recording = _read(config, env)
    spaces = recording.observation_space, recording.action_space
    if env is not None:
        spaces = env.spaces()
        validator = EpisodeValidator(config["path"], *spaces)
        for number, episode in enumerate(recording):
            validator.validate(number, episode)
    formats.write(
        output,
        recording.trajectories,
        format=name,
        overwrite=config["overwrite"],
        observation_space=spaces[0],
        action_space=spaces[1],
        metadata={**recording.metadata, "converted_from": recording.sha256},
    )
    log = job_context().log
    log.info("%s (%s) is now also %s (%s)", config["path"], recording.format, output, name)


def info(config: Config) -> None:
    """Shows what is in a recording."""
    recording = _read(config)
    for table in reporting.info_tables(recording, summarise(recording.trajectories)):
        show(table)


def plot(config: Config) -> None:
    """Draws a recording."""
    recording = _read(config)
    output = config["output"] or _image_beside(config["path"])
    if Path(output).suffix != ".png":
        raise InvalidValueError(f"output={output} does not end in .png.", f"Write {output}.png.")
    reporting.plot(recording.trajectories, output)
    job_context().log.info("drawn: %s", output)


def check(config: Config) -> None:
    """Compares a recording with an environment."""
    env = instantiate(_needed(config, "env", "env=cartpole"))
    recording = _read(config, env)
    fit = check_fit(
        config["path"],
        recording.trajectories,
        env,
        allow_variable_horizon=config["allow_variable_horizon"],
        n_replayed=config["n_replayed"],
    )
    show(reporting.check_table(config["path"], env.id, fit))


def _read(config: Config, env: EnvSpec | None = None) -> formats.Recording:
    """The recording; `env` says where its time limit is."""
    names = ("columns", "incomplete", "drop_last_action")
    recording = formats.read(config["path"], **{name: config[name] for name in names})
    if config["terminal_at_limit"] == "terminal":
        return recording
    if env is None:
        raise InvalidValueError(
            "terminal_at_limit=truncated needs to know the time limit.", "Name it: env=... ."
        )
    return truncated_at_limit(recording, time_limit(env))


def _needed(config: Config, group: str, example: str) -> Config:
    if not config.get(group):
        raise InvalidValueError(
            f"airl demos {config['verb']} needs the group {group}.", f"Add {example}, for example."
        )
    node: Config = config[group]
    return node


def _image_beside(path: str) -> str:
    return str(Path(path.removeprefix(formats.minari.PREFIX)).with_suffix(".png"))


_VERBS: dict[str, Callable[[Config], None]] = {
    "record": record,
    "convert": convert,
    "info": info,
    "plot": plot,
    "check": check,
}
