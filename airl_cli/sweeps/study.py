"""What an Optuna study remembers from one call to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from airl_cli.errors import InvalidValueError
from airl_cli.runs.keys import matches

_SETTINGS, _INTERRUPTED = "settings", "interrupted"


def check_settings(
    study: optuna.Study, settings: Mapping[str, Any], arguments: Sequence[str]
) -> None:
    """Refuses to mix values that mean different things in one study.

    Args:
        study: New, or begun earlier.
        settings: JSON-able; what decides what a trial's value means.
        arguments: Overrides that were typed for the jobs.

    Raises:
        InvalidValueError: If the study was begun with others.
    """
    typed = sorted(
        argument for argument in arguments if not matches(argument.split("=")[0].lstrip("+~"))
    )
    now = {**settings, "typed": typed}
    before = study.user_attrs.get(_SETTINGS)
    if before is None:
        study.set_user_attr(_SETTINGS, now)
        return
    changed = [name for name in now if now[name] != before.get(name)]
    if changed:
        name = changed[0]
        raise InvalidValueError(
            f"the study {study.study_name} was begun with other settings: "
            f"{name} {before.get(name)} instead of {now[name]}.",
            "Repeat its command, or begin another one: hydra.sweeper.study_name=<name>.",
        )


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ran to their end, well or badly; not those that were interrupted."""
    interrupted = study.user_attrs.get(_INTERRUPTED, [])
    return [t for t in study.trials if t.state.is_finished() and t.number not in interrupted]


def revive_interrupted(study: optuna.Study) -> tuple[int, list[frozenset[str]]]:
    """Puts trials whose process ended in the middle at the head of the queue.

    Args:
        study: That no other process works on.

    Returns:
        The number of the trial that comes next, and the overrides of each trial that is in the
        queue because it was interrupted.
    """
    next_number = len(study.trials)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        interrupted = study.user_attrs.get(_INTERRUPTED, [])
        study.set_user_attr(_INTERRUPTED, [*interrupted, trial.number])
        if trial.params:
            study.enqueue_trial(trial.params)
    waiting = study.get_trials(states=(TrialState.WAITING,))
    revived = [trial.system_attrs["fixed_params"] for trial in waiting]
    return (
        min([next_number, *(trial.number for trial in waiting)]),
        [frozenset(f"{name}={value}" for name, value in params.items()) for params in revived],
    )
