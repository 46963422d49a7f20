"""TensorBoard files, as TensorBoard's own readers see them."""

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, get_experiment, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from support.tracked import CONFIG, begin, play, resume


class HParamsPage:
    """What TensorBoard's HParams page would show of a folder."""

    def __init__(self, folder: Path) -> None:
        runs = EventMultiplexer()
        runs.AddRunsFromDirectory(str(folder))
        runs.Reload()
        provider = MultiplexerDataProvider(runs, str(folder))
        context = Context(TBContext(data_provider=provider, logdir=str(folder)))
        asked = api_pb2.GetExperimentRequest(include_metrics=True)
        experiment = get_experiment.Handler(RequestContext(), context, "", asked).run()
        self.differing = {info.name for info in experiment.hparam_infos if info.differs}
        self.metrics = {info.name.tag for info in experiment.metric_infos}
        groups = api_pb2.ListSessionGroupsRequest(
            slice_size=10, include_metrics=True, allowed_statuses=[0, 1, 2, 3]
        )
        found = list_session_groups.Handler(RequestContext(), context, "", groups).run()
        self.sessions = {group.name.split("/")[0]: group for group in found.session_groups}

    def status(self, run: str) -> str:
        return api_pb2.Status.Name(self.sessions[run].sessions[0].status)

    def metric(self, run: str, tag: str) -> float:
        (found,) = [v.value for v in self.sessions[run].metric_values if v.name.tag == tag]
        return found


def test_the_hparams_page_compares_the_runs_of_a_sweep(
    tmp_path: Path, trainer: Any, evaluation: Any
) -> None:
    for number, rate in enumerate((0.5, 0.25)):
        config = {**CONFIG, "generator": {**CONFIG["generator"], "learning_rate": rate}}
        with begin(tmp_path / str(number), ["tensorboard"], config) as run:
            play(run, trainer, 2)
            run.finish(trainer, evaluation)
    with pytest.raises(KeyError), begin(tmp_path / "2", ["tensorboard"]) as run:
        play(run, trainer, 1)
        raise KeyError
    page = HParamsPage(tmp_path)
    assert page.differing == {"generator.learning_rate"}
    assert {"result/normalized_score", "disc/disc_loss"} <= page.metrics
    hparams = page.sessions["1"].hparams
    assert hparams["generator.learning_rate"].number_value == 0.25
    assert hparams["generator"].string_value == "PPO"
    assert hparams["trainer.normalize_gen_reward"].bool_value
    assert page.metric("0", "result/normalized_score") == 0.5
    assert page.metric("0", "disc/disc_loss") == 0.5
    assert [page.status(run) for run in "012"] == [
        "STATUS_SUCCESS",
        "STATUS_SUCCESS",
        "STATUS_FAILURE",
    ]


def test_curves_hold_what_is_meant_for_tensorboard(
    tmp_path: Path, trainer: Any, evaluation: Any
) -> None:
    with begin(tmp_path / "run", ["tensorboard"]) as run:
        play(run, trainer, 3)
        run.finish(trainer, evaluation)
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("disc/disc_loss")] == [
        (100, 1.0),
        (200, 0.5),
        (300, pytest.approx(1 / 3)),
    ]
    assert "time/iterations" not in events.Tags()["scalars"]
    assert [e.step for e in events.Scalars("result/normalized_score")] == [300]


def test_a_resumed_run_is_one_session_that_ends_as_it_does(
    tmp_path: Path, trainer: Any, evaluation: Any
) -> None:
    with pytest.raises(KeyError), begin(tmp_path / "run", ["tensorboard"]) as run:
        play(run, trainer, 2)
        raise KeyError
    with resume(tmp_path / "run", ["tensorboard"]) as run:
        play(run, trainer, 2)
        run.finish(trainer, evaluation)
    page = HParamsPage(tmp_path)
    assert list(page.sessions) == ["run"]
    assert page.status("run") == "STATUS_SUCCESS"
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("disc/disc_loss")] == [100, 200]
