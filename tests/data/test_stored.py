import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airl_cli.algorithms.samples import RowSampler, demonstration_sampler
from airl_cli.data import rollout, storage
from airl_cli.data.stored import StoredEpisodes, StoredTransitions
from airl_cli.errors import InvalidValueError
from support.demos import episodes, recordings


@pytest.fixture
def file(tmp_path):
    storage.save(tmp_path / "t.safetensors", episodes())
    return storage.TrajectoryFile(tmp_path / "t.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stored")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_rows_of_a_file_are_the_transitions_of_its_episodes(folder, data):
    trajectories, _, _ = data.draw(recordings())
    storage.save(folder / "t.safetensors", trajectories)
    file = storage.TrajectoryFile(folder / "t.safetensors")
    whole = rollout.flatten_trajectories(trajectories)
    assert file.n_transitions == len(whole)
    index = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=6)))
    for name, column in file.read_transitions(index).items():
        assert np.array_equal(column, getattr(whole, name)[index])
        assert column.dtype == getattr(whole, name).dtype


def test_episodes_are_read_one_by_one(file):
    assert list(file) == episodes()
    assert file[-1] == episodes()[-1]
    assert file[1:] == episodes()[1:]
    assert file.returns.tolist() == [t.rews.sum() for t in episodes()]
    with pytest.raises(IndexError):
        file[3]


def test_what_is_read_can_be_written_to(file):
    trajectory = file[0]
    trajectory.obs[0] = 7.0  # a copy, not the file
    assert file[0] == episodes()[0]


def test_unknown_rewards_give_no_returns(tmp_path):
    storage.save(tmp_path / "t.safetensors", episodes(rews=False))
    file = storage.TrajectoryFile(tmp_path / "t.safetensors")
    assert len(file.returns) == 0
    assert list(file) == episodes(rews=False)


def test_a_changed_byte_is_noticed_by_verify(tmp_path, file):
    file.verify()
    raw = bytearray((tmp_path / "t.safetensors").read_bytes())
    middle = raw.index(episodes()[1].obs.tobytes())
    raw[middle] ^= 1
    (tmp_path / "t.safetensors").write_bytes(raw)
    with pytest.raises(InvalidValueError, match="t.safetensors .*checksum is wrong"):
        storage.TrajectoryFile(tmp_path / "t.safetensors").verify()


def test_a_file_can_be_copied_without_being_loaded(tmp_path, file):
    storage.save(tmp_path / "copy.safetensors", file)
    assert storage.load(tmp_path / "copy.safetensors") == episodes()
    assert (tmp_path / "copy.safetensors").read_bytes() == (tmp_path / "t.safetensors").read_bytes()


def test_only_the_rows_drawn_are_read(tmp_path, monkeypatch):
    storage.save(tmp_path / "t.safetensors", episodes((5000, 5000)))
    file = storage.TrajectoryFile(tmp_path / "t.safetensors")
    read, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *args: read.append(args[1]) or pread(*args))
    sampler = demonstration_sampler(StoredTransitions(file), 8, np.random.default_rng(0), "cpu")
    assert isinstance(sampler, RowSampler)
    batch = sampler.sample(8)
    assert len(batch) == 8
    assert sum(read) == 8 * (2 * 12 + 8)  # two observations of 12 bytes, an action of 8
    assert sum(read) < os.path.getsize(tmp_path / "t.safetensors") / 1000


def test_a_batch_from_a_file_has_no_repetitions_and_reaches_everything(file):
    sampler = RowSampler(StoredTransitions(file), np.random.default_rng(0))
    whole = rollout.flatten_trajectories(episodes())
    drawn = sampler.sample(len(whole))
    assert sorted(drawn.obs[:, 0].tolist()) == sorted(whole.obs[:, 0].tolist())
    assert int(drawn.dones.sum()) == 2


def test_fewer_transitions_than_a_batch_are_refused(file):
    with pytest.raises(InvalidValueError, match="demo_batch_size=15 is more than the 14"):
        demonstration_sampler(StoredTransitions(file), 15, np.random.default_rng(0), "cpu")


def test_some_episodes_of_a_file(file):
    chosen = StoredEpisodes(file, np.array([2, 0]), lambda number, episode: episode)
    assert list(chosen) == [episodes()[2], episodes()[0]]
    assert chosen[1:] == [episodes()[0]]
    assert chosen.lengths.tolist() == [3, 4]
    assert chosen.returns.tolist() == [t.rews.sum() for t in (episodes()[2], episodes()[0])]
