import logging
import tempfile

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger

from airl_cli.quiet import leave_no_log_folder, quiet_loggers
from support.line import line_venv


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def algorithm(**kwargs):
    return PPO("MlpPolicy", line_venv(), n_steps=10, batch_size=20, device="cpu", **kwargs)


@pytest.mark.parametrize("verbose", [0, 1])
def test_training_leaves_no_folder_and_prints_what_it_would_have(verbose, temporary, capsys):
    model = algorithm(verbose=verbose)
    leave_no_log_folder(model)
    capsys.readouterr()
    model.learn(40)
    assert list(temporary.glob("SB3-*")) == []
    assert ("total_timesteps" in capsys.readouterr().out) == bool(verbose)


def test_a_logger_that_was_chosen_stays(temporary, tmp_path):
    chosen = Logger(str(tmp_path), [])
    model, writer = algorithm(), algorithm(tensorboard_log=str(tmp_path / "events"))
    model.set_logger(chosen)
    for each in (model, writer):
        leave_no_log_folder(each)
        each.learn(40)
    assert model.logger is chosen
    assert [path.name for path in (tmp_path / "events").iterdir()] == ["PPO_1"]
    assert list(temporary.glob("SB3-*")) == []


def test_loggers_are_quiet_for_a_block_and_get_their_levels_back():
    one, two = logging.getLogger("quiet.one"), logging.getLogger("quiet.two")
    one.setLevel(logging.DEBUG)
    with pytest.raises(RuntimeError), quiet_loggers(one.name, two.name, level=logging.ERROR):
        assert not one.isEnabledFor(logging.WARNING) and two.isEnabledFor(logging.ERROR)
        raise RuntimeError
    assert (one.level, two.level) == (logging.DEBUG, logging.NOTSET)
