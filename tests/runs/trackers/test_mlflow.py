"""MLflow for real, in a database and in a folder."""

from pathlib import Path
from typing import Any

import pytest

from airl_cli.errors import InvalidValueError
from airl_cli.runs.trackers import MLflow
from support.tracked import begin, play, resume

pytest.importorskip("mlflow", reason="the extra 'mlflow' is not installed")
pytest.importorskip("sqlalchemy", reason="the extra 'mlflow' is not installed")


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.delenv(name, raising=False)


def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def runs(uri: str, experiment: str = "airl-cli") -> list[Any]:
    found = client(uri).get_experiment_by_name(experiment)
    return client(uri).search_runs([found.experiment_id])


def curve(uri: str, run: Any, name: str) -> list[tuple[int, float]]:
    history = client(uri).get_metric_history(run.info.run_id, name)
    return sorted((point.step, point.value) for point in history)


def test_a_run_that_is_resumed_goes_on_in_the_database(
    tmp_path: Path, trainer: Any, evaluation: Any, references: Any
) -> None:
    uri = "sqlite:///outputs/mlflow.db"  # the default
    path = tmp_path / "outputs/train/seven"
    with pytest.raises(SystemExit), begin(path, [MLflow(tags={"who": "me"})]) as run:
        play(run, trainer, 2)
        raise KeyboardInterrupt
    (killed,) = runs(uri)
    assert killed.info.status == "KILLED"
    assert curve(uri, killed, "disc/disc_loss") == [(100, 1.0), (200, 0.5)]
    with resume(path, [MLflow()]) as run:
        run.set_references(**references)
        play(run, trainer, 3)
        run.finish(trainer, evaluation)
    (finished,) = runs(uri)
    assert finished.info.run_id == killed.info.run_id
    assert finished.info.status == "FINISHED"
    assert (finished.info.run_name, finished.data.tags["who"]) == ("train/seven", "me")
    assert finished.data.params["generator.learning_rate"] == "0.5"
    assert [step for step, _ in curve(uri, finished, "disc/disc_loss")] == [100, 200, 300]
    assert curve(uri, finished, "rollout/true_return_mean") == [(200, 10.0), (300, 20.0)]
    assert finished.data.metrics["result/normalized_score"] == 0.5
    artifacts = {item.path for item in client(uri).list_artifacts(finished.info.run_id)}
    assert {"config.json", "environment.json", "result.json", "plots"} <= artifacts
    plots = client(uri).list_artifacts(finished.info.run_id, "plots")
    assert "plots/learning_curve.png" in {item.path for item in plots}


def test_a_folder_serves_too_and_a_failed_run_is_called_so(tmp_path: Path, trainer: Any) -> None:
    uri = f"file:{tmp_path}/runs"
    with (
        pytest.raises(KeyError),
        begin(tmp_path / "run", [MLflow("mine", tracking_uri=uri)], multirun=True) as run,
    ):
        play(run, trainer, 1)
        raise KeyError
    (failed,) = runs(uri, "mine")
    assert failed.info.status == "FAILED"
    assert failed.data.tags["sweep"] == tmp_path.name
    assert curve(uri, failed, "disc/disc_loss") == [(100, 1.0)]


def test_a_run_of_another_directory_is_not_gone_on_with(
    tmp_path: Path, trainer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"file:{tmp_path}/runs"
    with begin(tmp_path / "run", [MLflow(tracking_uri=uri)]) as run:
        play(run, trainer, 1)
    (tmp_path / "run").rename(tmp_path / "received")
    with resume(tmp_path / "received", [MLflow(tracking_uri=uri)]) as run:
        play(run, trainer, 2)
    assert "no run of this directory" in caplog.text
    assert len(runs(uri)) == 2


def test_a_server_that_does_not_answer_is_a_mistake_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InvalidValueError) as caught:
        begin(tmp_path / "run", [MLflow(tracking_uri="http://127.0.0.1:9")])
    assert "MLflow cannot use http://127.0.0.1:9" in caught.value.problem
    assert "tracking_uri" in caught.value.remedy


def test_metrics_that_cannot_be_sent_wait(
    tmp_path: Path, trainer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow import MlflowClient

    uri = f"file:{tmp_path}/runs"
    log_batch, away = MlflowClient.log_batch, [True]

    def sometimes(self: Any, run_id: str, metrics: Any = (), **kwargs: Any) -> None:
        if metrics and away:
            away.pop()
            raise ConnectionError("nobody there")
        log_batch(self, run_id, metrics=metrics, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", sometimes)
    with begin(tmp_path / "run", [MLflow(tracking_uri=uri)]) as run:
        play(run, trainer, 2)
    assert "which wait: nobody there" in caplog.text
    (found,) = runs(uri)
    assert [step for step, _ in curve(uri, found, "disc/disc_loss")] == [100, 200]
