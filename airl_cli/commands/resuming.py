"""Which run directory a training job works in: a new one, or one that is there already."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from airl_cli.commands.job import JobContext
from airl_cli.config.instantiation import instantiate
from airl_cli.config.ranges import check_combinations, check_ranges
from airl_cli.config.validation import TRAIN_KEYS, validated
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.nodes import assign, lookup, with_current_names
from airl_cli.runs import Run, discard_empty, layout
from airl_cli.runs.checkpoint import CheckpointPlan
from airl_cli.runs.keys import WITHOUT_EFFECT, matches, without
from airl_cli.runs.layout import refuse_links
from airl_cli.runs.safe_config import received_instantiate
from airl_cli.serialization import read_json

AUTO = "auto"

_NOT_RECORDED = ("resume", "trust")
_TOTAL = "trainer.total_timesteps"
_MAY_CHANGE = (*WITHOUT_EFFECT, _TOTAL)

# What is used of a recorded config without going through a class that checks it.
_NUMBERS: dict[str, type | tuple[type, ...]] = {
    "seed": int,
    _TOTAL: int,
    "trainer.checkpoint_every": int,
    "trainer.keep_checkpoints": int,
    "trainer.checkpoint_share": (int, float),
    "trainer.demo_batch_size": int,
    "trainer.demo_minibatch_size": int,
    "evaluation.n_episodes": int,
    "expert.n_episodes": int,
    "torch_threads": int,
}

log = logging.getLogger("airl_cli.run")


@dataclass(frozen=True)
class Job:
    """What a training job works on.

    Attributes:
        path: The run directory.
        config: To train with.
        make: From a config node and the keys to leave out to the object; a config that was read
            from the run directory goes through the list of harmless classes.
        begun: Whether the directory holds a run already.
    """

    path: Path
    config: dict[str, Any]
    make: Callable[..., Any] = instantiate
    begun: bool = False

    def open(self, context: JobContext) -> Run:
        """The run, begun or resumed."""
        trainer = self.config["trainer"]
        plan = CheckpointPlan(
            every=trainer.get("checkpoint_every", CheckpointPlan.every),
            keep=trainer.get("keep_checkpoints", CheckpointPlan.keep),
            share=trainer.get("checkpoint_share", CheckpointPlan.share),
        )
        start = Run.reopen if self.begun else Run.create
        return start(
            self.path,
            config=self.config,
            verbose=self.config["verbose"],
            multirun=context.multirun,
            checkpoints=plan,
        )

    def score(self) -> float | None:
        """The normalised score if there is nothing left to do."""
        if not self.begun or not (self.path / layout.RESULT).is_file():
            return None
        recorded = lookup(_recorded(self.path), _TOTAL)
        status = read_json(self.path / layout.STATUS)
        if recorded != lookup(self.config, _TOTAL) or status.get("status") != "finished":
            return None
        score = read_json(self.path / layout.RESULT).get("normalized_score")
        return float("nan") if score is None else float(score)


def find_job(cfg: DictConfig, context: JobContext) -> Job:
    """The job that `resume` asks for.

    Args:
        cfg: As composed from the command line.
        context: Of Hydra's job.

    Raises:
        AirlError: If the config has a mistake, there is no such run, or what was typed would make
            it another experiment.
    """
    # A run that is named brings its own config; of the composed one only what was typed counts.
    config = validated(cfg, TRAIN_KEYS, together=cfg.get("resume") in (None, AUTO))
    resume = config["resume"]
    trusted = config["trust"]
    config = {key: value for key, value in config.items() if key not in _NOT_RECORDED}
    if resume is None:
        return Job(context.output_dir, config)
    if resume == AUTO:
        path = _run_with(config, context)
        job = Job(path or context.output_dir, config, begun=path is not None)
    else:
        recorded = _with_typed(Path(resume), config, context.overrides)
        received = partial(received_instantiate, trusted=tuple(trusted))

        def make(node: Mapping[str, Any], *without: str) -> Any:
            # A logger that was typed is the node that was composed, and trusted as such.
            return (instantiate if node is config["logger"] else received)(node, *without)

        job = Job(Path(resume), recorded, make=make, begun=True)
    if job.begun:
        refuse_links(job.path)
    if job.begun and job.path.resolve() != context.output_dir.resolve():
        _move_log(context.output_dir, job.path)
        discard_empty(context.output_dir)
    return job


# -- one run, by its name ----------------------------------------------------------------------


def _recorded(run: Path) -> dict[str, Any]:
    if not (run / layout.CONFIG).is_file():
        raise NotFoundError(
            f"{run} is not a run directory: there is no {layout.CONFIG}.",
            "Give a directory that `airl train` made, e.g. outputs/train/<env>/<time>.",
        )
    config = with_current_names(read_json(run / layout.CONFIG))
    nodes = ("env", "expert", "reward", "generator", "trainer", "evaluation", "logger")
    if not isinstance(config, dict) or not all(isinstance(config.get(n), dict) for n in nodes):
        raise InvalidValueError(
            f"{run / layout.CONFIG} is not the config of a training.",
            "Only what `airl train` began can be resumed.",
        )
    for key, kinds in _NUMBERS.items():
        value = lookup(config, key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            raise InvalidValueError(f"{run / layout.CONFIG} is damaged: {key} is no number.")
    return config


def _with_typed(run: Path, composed: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The recorded config, with what was typed and may change.

    Raises:
        InvalidValueError: If something typed would make it another experiment.
    """
    recorded = _recorded(run)
    config = deepcopy(recorded)
    for override in overrides:
        key = re.split("[=@]", override.lstrip("+~"))[0].replace("/", ".")
        if key in _NOT_RECORDED:
            continue
        if matches(key, _MAY_CHANGE):
            path = "logger" if key.startswith("logger.") else key  # a logger is one choice
            assign(config, path, lookup(composed, path))
        elif lookup(composed, key) is None or lookup(composed, key) != lookup(recorded, key):
            raise InvalidValueError(
                f"{override} would change the experiment of {run}.",
                "A run goes on with the config that it recorded: leave it out. "
                f"{_TOTAL} may be extended.",
            )
    before, after = lookup(recorded, _TOTAL), lookup(config, _TOTAL)
    if not isinstance(before, int) or after < before:
        raise InvalidValueError(
            f"{_TOTAL}={after} is less than the {before} of {run}.",
            f"It may be extended: set it to {before} or more, or leave it out.",
        )
    check_ranges(config)
    check_combinations(config)
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
        if not _same(_recorded(own), config):
            raise InvalidValueError(
                f"{own} holds a run with another config.",
                "Choose another directory, or repeat the command that began it.",
            )
        return own
    found = [path for path in _neighbours(context) if _matches(path, config)]
    return max(found, key=_progress, default=None)


def _neighbours(context: JobContext) -> Iterator[Path]:
    levels = int(context.multirun) + int(not context.placed)
    root = context.output_dir
    for _ in range(levels):
        root = root.parent
    for config in sorted(root.glob("*/" * levels + layout.CONFIG)):
        yield config.parent


def _matches(run: Path, config: Mapping[str, Any]) -> bool:
    try:
        return _same(_recorded(run), config)
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
        status = read_json(run / layout.STATUS)
        return status["status"] == "finished", int(status["rounds"]), str(run)
    except (AirlError, KeyError, TypeError, ValueError):
        return False, 0, str(run)


def _move_log(source: Path, target: Path) -> None:
    """Lets log files in one directory go on in another."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if not isinstance(handler, logging.FileHandler):
            continue
        path = Path(handler.baseFilename)
        if path.parent.resolve() != source.resolve():
            continue
        try:
            moved = logging.FileHandler(target / path.name)
        except OSError:  # read-only: opening the run will say so
            return
        moved.setFormatter(handler.formatter)
        moved.setLevel(handler.level)
        for log_filter in handler.filters:
            moved.addFilter(log_filter)
        root.removeHandler(handler)
        handler.close()
        root.addHandler(moved)
