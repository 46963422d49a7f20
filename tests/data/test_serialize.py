from pathlib import Path

import numpy as np
import pytest

from airl_cli.data import Trajectory, serialize
from airl_cli.errors import InvalidValueError
from support.demos import episodes

pytest.importorskip("datasets")


def test_trajectories_come_back_and_replace_those_before(tmp_path: Path) -> None:
    for lengths in ((3, 5), (4,)):
        saved = episodes(lengths)
        serialize.save(tmp_path / "demos", saved)
        loaded = serialize.load_with_rewards(tmp_path / "demos")
        assert len(loaded) == len(saved)
        for found, expected in zip(loaded, saved, strict=True):
            np.testing.assert_array_equal(found.obs, expected.obs)
            np.testing.assert_array_equal(found.rews, expected.rews)
            assert found.terminal == expected.terminal


def test_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    for target in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(InvalidValueError):
            serialize.save(target, episodes())
    assert (tmp_path / "thesis.txt").read_text() == "ten years"


def test_rewards_are_asked_for(tmp_path: Path) -> None:
    serialize.save(tmp_path / "x", [Trajectory(np.zeros((3, 1)), np.zeros(2), None, True)])
    assert len(serialize.load(tmp_path / "x")) == 1
    with pytest.raises(InvalidValueError, match="no rewards"):
        serialize.load_with_rewards(tmp_path / "x")
