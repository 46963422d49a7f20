"""Which trackers a run has, and what they learn of it."""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.logger import KVWriter

from airl_cli.errors import AirlError, InvalidValueError, RunFailedError
from airl_cli.runs.loggers import make_logger
from airl_cli.runs.trackers import CSV, RunFacts, Tracker
from support.tracked import begin, play, resume


class Diary(Tracker):
    """Writes down what it is told, and fails at what it is told to fail."""

    def __init__(self, fails_at: str = "") -> None:
        self.seen: list[Any] = []
        self.fails_at = fails_at

    def _note(self, name: str, *more: Any) -> None:
        self.seen.append((name, *more))
        if name == self.fails_at:
            raise ConnectionError("nobody there")

    def check(self) -> None:
        self._note("check")

    def begin(self, run: RunFacts, known: Mapping[str, Any]) -> Mapping[str, Any]:
        self._note("begin", run.folder.name, dict(known))
        return {"page": 7}

    def write(self, values: Mapping[str, float], step: int) -> None:
        self._note("write", sorted(values), step)

    def finish(self, result: Mapping[str, float], step: int, files: Sequence[Path]) -> None:
        self._note("finish", result["normalized_score"], step, {path.name for path in files})

    def close(self, status: str) -> None:
        self._note("close", status)


class Careless(Diary):
    essential = False


NAMES = ["disc/disc_loss", "rollout/true_return_mean"]


def test_a_tracker_learns_of_the_whole_run(
    tmp_path: Path, trainer: Any, evaluation: Any, references: Any
) -> None:
    diary = Diary()
    with begin(tmp_path / "run", [diary]) as run:
        run.set_references(**references)
        assert diary.seen == [("check",)]
        play(run, trainer, 2)
        run.finish(trainer, evaluation)
    files = {"config.json", "result.json"}
    pictures = {path.name for path in (tmp_path / "run/plots").iterdir()}
    assert {"learning_curve.png", "reward.png"} <= pictures
    assert diary.seen[1:] == [
        ("begin", "run", {}),
        ("write", NAMES, 100),
        ("write", NAMES, 200),
        ("finish", 0.5, 200, files | pictures),
        ("close", "finished"),
    ]


@pytest.mark.parametrize(
    ("error", "status"), [(KeyError("x"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_tracker_learns_how_a_run_without_result_ended(
    tmp_path: Path, trainer: Any, error: BaseException, status: str
) -> None:
    diary = Diary()
    with pytest.raises((KeyError, SystemExit)), begin(tmp_path / "run", [diary]) as run:
        play(run, trainer, 1)
        raise error
    assert diary.seen[-1] == ("close", status)
    assert "finish" not in [entry[0] for entry in diary.seen]


def test_a_run_that_is_refused_before_its_first_round_is_not_begun_anywhere(tmp_path: Path) -> None:
    diary = Diary()
    with pytest.raises(InvalidValueError), begin(tmp_path / "run", [diary, "tensorboard", "csv"]):
        raise InvalidValueError("no such thing")
    assert "begin" not in [entry[0] for entry in diary.seen]
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_gives_back_what_the_tracker_wanted_to_know(
    tmp_path: Path, trainer: Any
) -> None:
    with pytest.raises(KeyError), begin(tmp_path / "run", [Diary()]) as run:
        play(run, trainer, 1)
        raise KeyError
    assert json.loads((tmp_path / "run/loggers.json").read_text()) == {"Diary": {"page": 7}}
    diary = Diary()
    with resume(tmp_path / "run", [diary]) as run:
        play(run, trainer, 1)
    assert ("begin", "run", {"page": 7}) in diary.seen


@pytest.mark.parametrize("moment", ["begin", "write", "finish", "close"])
def test_a_tracker_that_is_not_essential_may_fail(
    tmp_path: Path, trainer: Any, evaluation: Any, moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    careless, diary = Careless(fails_at=moment), Diary()
    with begin(tmp_path / "run", [careless, diary]) as run:
        play(run, trainer, 2)
        run.finish(trainer, evaluation)
    assert json.loads((tmp_path / "run/status.json").read_text())["status"] == "finished"
    assert diary.seen[-1] == ("close", "finished")
    assert "Careless" in caplog.text
    assert "nobody there" in caplog.text
    assert [entry[0] for entry in careless.seen].count(moment) == 1
    assert careless.seen[-1][0] == "close"


def test_one_that_is_essential_fails_the_run(tmp_path: Path, trainer: Any) -> None:
    with pytest.raises(ConnectionError), begin(tmp_path / "run", [Diary("write")]) as run:
        play(run, trainer, 1)
    assert json.loads((tmp_path / "run/status.json").read_text())["status"] == "failed"


def test_a_check_that_fails_stops_the_run_at_once(tmp_path: Path) -> None:
    class Refuses(Diary):
        def check(self) -> None:
            raise RunFailedError("not today")

    with pytest.raises(AirlError, match="not today"):
        begin(tmp_path / "run", [Refuses()])


@pytest.mark.parametrize(("name", "extra"), [("wandb", "wandb"), ("mlflow", "mlflow")])
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    with pytest.raises(AirlError) as caught:
        make_logger(tmp_path, [name]).check()
    assert caught.value.exit_code == 2
    assert f"logger={name} needs the package '{name}'" in caught.value.problem
    assert caught.value.remedy == f'Install it: pip install "airl-cli[{extra}]"'


def test_only_the_formats_that_are_named_are_used(tmp_path: Path) -> None:
    class Broken(Diary):
        def check(self) -> None:
            raise AssertionError("not asked for")

    logger = make_logger(tmp_path, ["csv"], wandb=Broken(), csv=CSV())
    logger.check()
    logger.record("a", 1.0)
    logger.dump(5)
    logger.close()
    assert (tmp_path / "scalars.csv").read_text() == "step,name,value\n5,a,1.0\n"


def test_unknown_formats_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidValueError, match="unknown log format 'csw'") as caught:
        make_logger(tmp_path, ["csw"])
    assert "tensorboard, csv, wandb, mlflow" in caught.value.remedy
    quiet = make_logger(tmp_path)
    quiet.record("a", 1.0)
    quiet.dump(1)
    assert capsys.readouterr().out == ""


def test_a_custom_log_format_is_a_factory_of_the_folder(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Writer(KVWriter):
        def __init__(self, folder: Path) -> None:
            seen.append(folder)

        def write(self, key_values: Any, key_excluded: Any, step: int = 0) -> None:
            seen.append((dict(key_values), step))

        def close(self) -> None: ...

    logger = make_logger(tmp_path, [Writer])
    logger.record("a", 1.0)
    logger.dump(5)
    assert seen == [tmp_path, ({"a": 1.0}, 5)]


def test_a_damaged_memory_is_no_obstacle(
    tmp_path: Path, trainer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with begin(tmp_path / "run", [Diary()]) as run:
        (tmp_path / "run/loggers.json").write_text('["?"]')
        play(run, trainer, 1)
    assert json.loads((tmp_path / "run/loggers.json").read_text()) == {"Diary": {"page": 7}}
