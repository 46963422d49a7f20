"""What an Optuna study remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from airl_cli.errors import InvalidValueError

optuna = pytest.importorskip("optuna")
study_module = pytest.importorskip("airl_cli.sweeps.study")

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=f"sqlite:///{tmp_path}/s.db")


def ask(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    return trial


def test_an_interrupted_trial_is_tried_again_before_others(study: optuna.Study) -> None:
    study.tell(ask(study), 0.5)
    lost = ask(study)  # and then the process was killed
    assert study_module.revive_interrupted(study) == (2, [{f"x={lost.params['x']}"}])
    assert [trial.number for trial in study_module.finished_trials(study)] == [0]
    again = ask(study)
    assert again.number == 2
    assert again.params == lost.params
    study.tell(again, 0.25)
    assert [trial.number for trial in study_module.finished_trials(study)] == [0, 2]
    assert study_module.revive_interrupted(study) == (3, [])


def test_a_trial_that_nobody_began_again_stays_in_the_queue(study: optuna.Study) -> None:
    lost = ask(study)
    study_module.revive_interrupted(study)  # and then the process was killed once more
    assert study_module.revive_interrupted(study) == (1, [{f"x={lost.params['x']}"}])
    assert ask(study).params == lost.params
    assert ask(study).params != lost.params


def test_a_trial_that_failed_counts(study: optuna.Study) -> None:
    study.tell(ask(study), state=optuna.trial.TrialState.FAIL)
    assert study_module.revive_interrupted(study) == (1, [])
    assert len(study_module.finished_trials(study)) == 1


def test_other_settings_are_refused(study: optuna.Study) -> None:
    study_module.check_settings(study, {"seeds": [10]}, ["a=1", "verbose=false"])
    study_module.check_settings(study, {"seeds": [10]}, ["verbose=true", "resume=auto", "a=1"])
    for seeds, argument in (([11], "a=1"), ([10], "a=2")):
        with pytest.raises(InvalidValueError, match="begun with other settings"):
            study_module.check_settings(study, {"seeds": seeds}, [argument])
