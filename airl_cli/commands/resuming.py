"""Which run directory a training job works in: a new one, or one that is there already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from airl_cli.commands.job import JobContext, accept
from airl_cli.config.instantiation import instantiate
from airl_cli.config.validation import TRAIN_KEYS, check_discriminator_is_trained, validated
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.nodes import assign, lookup
from airl_cli.report.find import chosen_run
from airl_cli.runs import Run, layout, schema
from airl_cli.runs.authorship import reader_of
from airl_cli.runs.checkpoint import CheckpointPlan
from airl_cli.runs.keys import WITHOUT_EFFECT, has_effect, matches, without
from airl_cli.runs.loading import n_inputs, read_config, read_spaces
from airl_cli.runs.loggers import make_logger
from airl_cli.runs.vocabulary import Received, check_size
from airl_cli.serialization import read_json
from airl_cli.text import printable

AUTO = "auto"

_NOT_RECORDED = ("resume", "trust")
_TOTAL = "trainer.total_timesteps"
_MAY_CHANGE = (*WITHOUT_EFFECT, _TOTAL)


@dataclass(frozen=True)
class Job:
    """What a training job works on.

    Attributes:
        path: The run directory.
        config: To train with.
        parts: What its sections describe, where the config was read from a run directory; None:
            it was typed, and is trusted.
        begun: Whether the directory holds a run already.
    """

    path: Path
    config: dict[str, Any]
    parts: Mapping[str, Any] | None = None
    begun: bool = False

    def part(self, name: str) -> Any:
        """The object that a section of the config describes.

        Args:
            name: Of the section.
        """
        if self.parts is not None:
            return self.parts[name]
        return instantiate(self.config[name], *TRAIN_KEYS.get(name, ()))

    def open(self, context: JobContext) -> Run:
        """The run, begun or resumed."""
        trainer = self.config["trainer"]
        plan = CheckpointPlan(
            every=trainer.get("checkpoint_every", CheckpointPlan.every),
            keep=trainer.get("keep_checkpoints", CheckpointPlan.keep),
            share=trainer.get("checkpoint_share", CheckpointPlan.share),
        )
        own = self.path.resolve() == context.output_dir.resolve()
        start = Run.reopen if self.begun else Run.create
        return start(
            self.path,
            config=self.config,
            verbose=self.config["verbose"],
            multirun=context.multirun,
            checkpoints=plan,
            accepted=partial(accept, None if own and not self.begun else self.path),
        )

    def score(self) -> float | None:
        """The normalised score if there is nothing left to do."""
        if not self.begun or not (self.path / layout.RESULT).is_file():
            return None
        recorded = lookup(read_config(self.path), _TOTAL)
        if recorded != lookup(self.config, _TOTAL) or _status(self.path) != "finished":
            return None
        result = read_json(self.path / layout.RESULT)
        score = result.get("normalized_score") if isinstance(result, dict) else None
        return float(score) if isinstance(score, (int, float)) else float("nan")


def find_job(cfg: DictConfig, context: JobContext) -> Job:
    """The job that `resume` asks for.

    Args:
        cfg: As composed from the command line.
        context: Of Hydra's job.

    Raises:
        AirlError: If the config has a mistake, there is no such run, or an override would make
            it another experiment.
    """
    # A run that is named brings its own config; of the composed one only overrides count.
    config = validated(cfg, TRAIN_KEYS, together=cfg.get("resume") in (None, AUTO))
    resume, trusted = config["resume"], tuple(config["trust"])
    config = {key: value for key, value in config.items() if key not in _NOT_RECORDED}
    if resume is None:
        return Job(context.output_dir, config)
    if resume == AUTO:
        path = _run_with(config, context)
        job = Job(path or _free_folder(context), config, begun=path is not None)
    else:
        job = _named_job(chosen_run(resume), config, trusted, context)
    if job.begun:
        layout.refuse_links(job.path)
    if context.multirun and job.path.resolve() != context.output_dir.resolve():
        with suppress(OSError):
            context.output_dir.rmdir()  # Hydra made it, and it stays empty
    return job


# -- one run, by its name ----------------------------------------------------------------------


def _named_job(
    run: Path, composed: Mapping[str, Any], trusted: tuple[str, ...], context: JobContext
) -> Job:
    """The job of a named run, all of whose parts are read within the schema of recorded configs."""
    recorded = _recorded(run)
    config = _with_typed(run, recorded, composed, context.overrides)
    typed = {path for path in _free_overrides(context.overrides)}
    cache = lookup(config, "expert.cache_dir") if "expert.cache_dir" in typed else None
    parts = _parts(run, config, reader_of(run, trusted, cache))
    # A logger that was typed is the node that was composed, and trusted as such.
    logger_typed = any(key.split(".")[0] == "logger" for key in typed)
    parts["logger"] = (
        instantiate(composed["logger"]) if logger_typed else _recorded_logger(config["logger"])
    )
    return Job(run, config, parts, begun=True)


def recorded_job(run: Path, path: Path, trusted: tuple[str, ...]) -> Job:
    """A job that repeats a run elsewhere, from its record alone.

    Args:
        run: The recorded run.
        path: The directory of the new one.
        trusted: Packages whose classes the recorded config may name.

    Raises:
        AirlError: If there is no such run, or its config is not within the schema.
    """
    config = _recorded(run)
    parts = _parts(run, config, reader_of(run, trusted))
    parts["logger"] = partial(make_logger, formats=[])
    return Job(path, {**config, "verbose": False}, parts)


def _parts(run: Path, config: Mapping[str, Any], received: Received) -> dict[str, Any]:
    """What the sections of a recorded config describe, but for the logger."""
    spaces = read_spaces(run)
    check_size(config, n_inputs(*spaces) if spaces else 1)
    return {
        name: received.read(config, name, *TRAIN_KEYS.get(name, ()))
        for name in ("env", "expert", "reward", "generator", "trainer")
    }


def _recorded(run: Path) -> dict[str, Any]:
    """The recorded config of a training, with what training reads of it checked.

    Raises:
        NotFoundError: If there is no run directory.
        InvalidValueError: If the config is not within the schema.
    """
    config = read_config(run)
    nodes = ("env", "expert", "reward", "generator", "trainer", "evaluation", "logger")
    if not all(isinstance(config.get(name), dict) for name in nodes):
        raise InvalidValueError(
            f"{run / layout.CONFIG} is not the config of a training.",
            "Only what `airl train` began can be resumed.",
        )
    check = Received().checked
    check(schema.RunFields, config)
    check(schema.TrainingFields, config["trainer"])
    check(schema.WarmStartFields, config["generator"])
    check(schema.EvaluationFields, config["evaluation"])
    return {"device": "auto", "torch_threads": None, "verbose": True, **config}


def _recorded_logger(node: Mapping[str, Any]) -> Any:
    """The logger of a recorded config, if it only writes into the run directory.

    Raises:
        InvalidValueError: If it is another one.
    """
    formats = node.get("formats")
    known = isinstance(formats, list) and all(name in ("tensorboard", "csv") for name in formats)
    if isinstance(formats, list) and known and set(node) <= {"_target_", "_partial_", "formats"}:
        return partial(make_logger, formats=formats)
    raise InvalidValueError(
        f"{printable(str(formats), 80)} of the run's config would reach beyond its directory.",
        "Choose the logger: logger=tensorboard, or logger=wandb and its keys to continue there.",
    )


def _free_overrides(overrides: Sequence[str]) -> Iterator[str]:
    """Dotted keys of the overrides that may change in a resumed run."""
    for override in overrides:
        key = _key(override)
        if matches(key, _MAY_CHANGE):
            yield key


def _key(override: str) -> str:
    return re.split("[=@]", override.lstrip("+~"))[0].replace("/", ".")


def _with_typed(
    run: Path, recorded: Mapping[str, Any], composed: Mapping[str, Any], overrides: Sequence[str]
) -> dict[str, Any]:
    """The recorded config, with the overrides that may change.

    Raises:
        InvalidValueError: If an override would make it another experiment.
    """
    config = deepcopy(dict(recorded))
    for override in overrides:
        key = _key(override)
        if key in _NOT_RECORDED:
            continue
        before, after = lookup(recorded, key), lookup(composed, key)
        effect = before != after and (has_effect(key, before) or has_effect(key, after))
        if matches(key, _MAY_CHANGE) and not effect:
            path = "logger" if key.startswith("logger.") else key  # a logger is one choice
            assign(config, path, lookup(composed, path))
        elif after is None or after != before:
            raise InvalidValueError(
                f"{override} would change the experiment of {run}.",
                "A run is resumed with the config that it recorded: leave it out. "
                f"{_TOTAL} may be extended.",
            )
    before, after = lookup(recorded, _TOTAL), lookup(config, _TOTAL)
    if not isinstance(before, int) or after < before:
        raise InvalidValueError(
            f"{_TOTAL}={after} is less than the {before} of {run}.",
            f"It may be extended: set it to {before} or more, or leave it out.",
        )
    check_discriminator_is_trained(config)
    return config


# -- whichever run has this config -------------------------------------------------------------


def _run_with(config: Mapping[str, Any], context: JobContext) -> Path | None:
    """The run that a job with this config began, the one that got furthest if there are several.

    Looked for where jobs of this kind put their directories: the job's own, its siblings, and for
    a multirun the jobs of its sibling sweeps. Where the directory was typed it is that one (or
    one within that sweep).

    Raises:
        InvalidValueError: If the job's own directory holds another experiment.
    """
    own = context.output_dir
    if (own / layout.CONFIG).is_file():
        if _matches(own, config):
            return own
        if not context.multirun:
            raise InvalidValueError(
                f"{own} holds a run with another config.",
                "Choose another directory, or repeat the command that began it.",
            )
    found = [path for path in _neighbours(context) if _matches(path, config)]
    return max(found, key=_progress, default=None)


def _free_folder(context: JobContext) -> Path:
    """The job's own folder, or one beside it where another job of the multirun has its run."""
    own = context.output_dir
    for number in range(1, 10_000):
        if not (own / layout.CONFIG).is_file():
            break
        own = context.output_dir.with_name(f"{context.output_dir.name}-{number}")
    return own


def _neighbours(context: JobContext) -> Iterator[Path]:
    levels = int(context.multirun) + int(not context.placed)
    root = context.output_dir
    for _ in range(levels):
        root = root.parent
    for config in sorted(root.glob("*/" * levels + layout.CONFIG)):
        yield config.parent


def _matches(run: Path, config: Mapping[str, Any]) -> bool:
    try:
        return _same(read_config(run), config)
    except AirlError:
        return False


def _same(recorded: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a config is the recorded one, or an extension of it."""
    before, after = lookup(recorded, _TOTAL), lookup(config, _TOTAL)
    if not isinstance(before, int) or not isinstance(after, int) or before > after:
        return False
    return without(recorded, _MAY_CHANGE) == without(config, _MAY_CHANGE)


def _progress(run: Path) -> tuple[bool, int, str]:
    try:
        status = schema.RunStatus.model_validate(read_json(run / layout.STATUS))
        return status.status == "finished", status.rounds, str(run)
    except (AirlError, ValueError):
        return False, 0, str(run)


def _status(run: Path) -> str:
    try:
        return schema.RunStatus.model_validate(read_json(run / layout.STATUS)).status
    except (AirlError, ValueError):
        return "unknown"
