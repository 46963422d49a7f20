"""Run directories as data, damaged ones included."""

import fcntl
import json
import math
import os
from pathlib import Path

import pytest

from airl_cli.report.record import RunRecord, flatten, read_run
from support.run_directories import dump, make_run


def test_a_finished_run_has_its_numbers_and_its_curve(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", seed=3, returns=450.0))
    assert (run.state, run.seed, run.command) == ("finished", 3, "train")
    assert run.env_id == "seals/CartPole-v0"
    assert run.number("normalized_score") == 0.9
    assert math.isnan(run.number("transfer_score"))
    assert run.config["generator.learning_rate"] == "0.001"
    assert run.curve is not None
    assert run.curve.last_return == 400.0


def test_a_run_of_the_real_command_is_understood(trained_run: Path) -> None:
    run = read_run(trained_run)
    assert run.state == "finished", run.reason
    assert run.curve is not None
    assert run.number("learner_return_mean") == pytest.approx(
        json.loads((trained_run / "result.json").read_text())["learner_return_mean"]
    )
    assert "trainer.total_timesteps" in run.config
    assert {"experiment", "evaluation.n_episodes"} <= set(run.overrides)


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_run_that_says_what_became_of_it_is_believed(tmp_path: Path, status: str) -> None:
    path = make_run(tmp_path / "run", status=status)
    dump(path / "status.json", {"status": status, "reason": "NaN in\nround 3"})
    run = read_run(path)
    assert (run.state, run.reason) == (status, "NaN in\\nround 3")


def test_a_run_is_running_only_while_a_process_has_it(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", status="running")
    assert read_run(path).state == "killed"
    with (path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_run(path).state == "running"
    assert read_run(path).state == "killed"
    with (path / ".lock").open("w") as lock:  # and asking took nothing away
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_run_that_says_nothing_is_unfinished(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", status="failed")
    (path / "status.json").unlink()
    (path / "metrics.csv").unlink()
    run = read_run(path)
    assert (run.state, run.reason, run.curve) == ("unfinished", "there is no result.json", None)


def test_an_older_result_does_not_hide_that_the_run_goes_on(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run")
    dump(path / "status.json", {"status": "interrupted"})
    assert read_run(path).state == "interrupted"
    assert read_run(path).numbers == {}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", b"{", "config.json is not valid JSON"),
        ("config.json", b"[1]", "config.json is damaged: it holds no mapping"),
        ("config.json", b'{"a":' * 40 + b"1" + b"}" * 40, "nested more than 32"),
        ("config.json", b'{"a":' * 9000 + b"1" + b"}" * 9000, "config.json is not valid JSON"),
        ("result.json", b"", "result.json is not valid JSON"),
        ("result.json", b"{}", "no learner_return_mean"),
        ("result.json", b'{"learner_return_mean": "9"}', "learner_return_mean is 9"),
        ("result.json", b'{"learner_return_mean": true}', "learner_return_mean is true"),
        ("result.json", b'{"learner_return_mean": Infinity}', "learner_return_mean is Infinity"),
        ("result.json", b'{"learner_return_mean": 1' + b"0" * 400 + b"}", "learner_return_mean"),
        ("result.json", b'{"learner_return_mean": 1' + b"0" * 5000 + b"}", "not valid JSON"),
        ("result.json", b'{"learner_return_mean": [1]}', "learner_return_mean is [1]"),
        ("status.json", b"null", "status.json is damaged"),
        ("metrics.csv", b"\xff\xfe\x00", "metrics.csv cannot be read"),
        ("metrics.csv", b"round,x\r\n0,1\r\n", "no column env_steps"),
        (
            "metrics.csv",
            b"env_steps,true_return_mean,seconds\r\n1,a,1\r\n",
            "could not convert string to float: 'a'",
        ),
        (
            "metrics.csv",
            b"env_steps,true_return_mean,seconds\r\n1\r\n2,1,1\r\n",
            "metrics.csv is damaged: line 2 is cut off",
        ),
        (
            "metrics.csv",
            b"env_steps,true_return_mean,seconds\r\n2,1,1\r\n1,1,2\r\n",
            "env_steps do not increase",
        ),
    ],
)
def test_a_damaged_run_is_unreadable_and_says_why(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = make_run(tmp_path / "run")
    (path / name).write_bytes(content)
    run = read_run(path)
    assert run.state == "unreadable"
    assert reason in run.reason
    assert str(tmp_path) not in run.reason
    assert run.numbers == {}


def test_neither_pipes_nor_links_are_followed(tmp_path: Path) -> None:
    """A pipe would never end, and a link may lead to a file that is not the run's to show."""
    secret = tmp_path / "secret.json"
    dump(secret, {"token": "hunter2"})
    path = make_run(tmp_path / "run")
    (path / "config.json").unlink()
    os.mkfifo(path / "config.json")
    assert read_run(path).reason == "config.json is not a plain file"
    (path / "config.json").unlink()
    (path / "config.json").symlink_to(secret)
    assert read_run(path) == RunRecord(path, "unreadable", "config.json is not a plain file")


def test_the_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", status="interrupted")
    with (path / "metrics.csv").open("a") as file:
        file.write("3,40")
    run = read_run(path)
    assert run.state == "interrupted"
    assert run.curve is not None
    assert run.curve.steps.tolist() == [1000, 2000, 3000]
    (path / "metrics.csv").write_text("round,env_st")
    run = read_run(path)
    assert run.state == "interrupted"
    assert run.curve is not None
    assert len(run.curve.steps) == 0


def test_a_config_is_flattened_to_texts_that_are_equal_for_equal_numbers() -> None:
    assert flatten({"a": {"b": 2e5, "c": [1, "x"], "d": {}}, "e": None, "f": 0.1, "g": True}) == {
        "a.b": "200000",
        "a.c": '[1, "x"]',
        "a.d": "{}",
        "e": "null",
        "f": "0.1",
        "g": "true",
    }


def test_texts_cannot_reach_the_terminal_as_commands() -> None:
    flat = flatten({"a\x1b[2J": "b\x07\u202e\ud800\n" + "x" * 1000})
    ((key, value),) = flat.items()
    assert key == "a\\x1b[2J"
    assert value.startswith("b\\x07\\u202e\\ud800\\nxxx")
    assert len(value) < 450


def test_damaged_overrides_only_mean_that_none_are_known(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", typed=["reward=basic", "+a/b=1", "~c", "generator.gamma=1"])
    assert read_run(path).overrides == {
        "reward": "basic",
        "a.b": "1",
        "c": "",
        "generator.gamma": "1",
    }
    overrides = path / ".hydra" / "overrides.yaml"
    for text in ("!!python/object/apply:os.system [touch hacked]", "a: [", "3", "- {a: 1}"):
        overrides.write_text(text)
        assert read_run(path).overrides == {}
        assert read_run(path).state == "finished"
    assert not Path("hacked").exists()


def test_when_a_level_was_first_reached() -> None:
    import numpy as np

    from airl_cli.report.metrics import Curve

    curve = Curve(np.array([10.0, 20, 30]), np.array([0.0, 5, 3]), np.array([1.0, 2, 3]))
    assert curve.first_reached(4.0) == (20, 2)
    assert curve.first_reached(6.0) == (math.inf, math.inf)
    assert all(map(math.isnan, curve.first_reached(math.nan)))
    run = RunRecord(Path(), "finished", numbers={"expert_return_mean": -5, "random_return_mean": 0})
    assert math.isnan(run.level(0.95))  # the expert is no better than chance
    assert math.isnan(run.score)
    good = {
        "expert_return_mean": -100.0,
        "random_return_mean": -1100.0,
        "normalized_score": 0.5,
    }
    assert RunRecord(Path(), "finished", numbers=good).level(0.95) == -150
