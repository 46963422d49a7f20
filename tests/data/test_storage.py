import dataclasses
import json
import os
import zipfile

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from airl_cli.data import Trajectory, TrajectoryWithRew, storage
from airl_cli.data.header import VERSION
from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError
from support.demos import rewrite


@st.composite
def trajectory_lists(draw):
    """Random trajectories of one (also random) environment."""
    obs_dtype = draw(st.sampled_from([np.float32, np.float64, np.uint8, np.int64]))
    act_dtype = draw(st.sampled_from([np.float32, np.int64]))
    obs_shape, act_shape = (
        draw(npst.array_shapes(min_dims=0, max_dims=2, max_side=3)) for _ in range(2)
    )
    with_rews = draw(st.booleans())
    trajectories = []
    for length in draw(st.lists(st.integers(1, 5), min_size=1, max_size=5)):
        fields = {
            "obs": draw(npst.arrays(obs_dtype, (length + 1, *obs_shape))),
            "acts": draw(npst.arrays(act_dtype, (length, *act_shape))),
            "infos": None,
            "terminal": draw(st.booleans()),
        }
        if with_rews:
            rews = draw(npst.arrays(np.float32, (length,)))
            trajectories.append(TrajectoryWithRew(**fields, rews=rews))
        else:
            trajectories.append(Trajectory(**fields))
    return trajectories


def example(n=2):
    return [
        TrajectoryWithRew(
            obs=np.full((4, 2), i, np.float32),
            acts=np.arange(3),
            infos=None,
            terminal=bool(i % 2),
            rews=np.arange(3, dtype=np.float32),
        )
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("storage")


@settings(max_examples=50, deadline=None)
@given(trajectory_lists())
def test_trajectories_survive_the_file(folder, trajectories):
    storage.save(folder / "t.npz", trajectories)
    again = storage.load(folder / "t.npz")
    assert [type(t) for t in again] == [type(t) for t in trajectories]
    assert again == trajectories  # dtypes and terminal flags included
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_spaces_and_metadata_survive_the_file(tmp_path):
    path = tmp_path / "t.npz"
    box, discrete = spaces.Box(-np.inf, np.inf, (2,), np.float32), spaces.Discrete(3)
    storage.save(
        path,
        example(),
        observation_space=box,
        action_space=discrete,
        metadata={"source": "ppo", "seed": np.int64(3)},
    )
    header = storage.load_header(path)
    assert (header.observation_space, header.action_space) == (box, discrete)
    assert header.metadata == {"source": "ppo", "seed": 3}
    assert header.version == VERSION
    assert storage.load(path) == example()


def test_numpy_alone_can_read_the_file_without_pickle_and_it_is_not_compressed(tmp_path):
    storage.save(tmp_path / "t.npz", example())
    with np.load(tmp_path / "t.npz", allow_pickle=False) as file:
        assert set(file) == {"header", "lengths", "terminal", "obs", "acts", "rews"}
        assert file["obs"].shape == (8, 2)
        assert file["lengths"].tolist() == [3, 3]
        assert json.loads(file["header"].tobytes())["version"] == 1
    with zipfile.ZipFile(tmp_path / "t.npz") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_same_trajectories_give_the_same_bytes(tmp_path):
    storage.save(tmp_path / "a.npz", example())
    storage.save(tmp_path / "b.npz", example())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "t.npz"
    storage.save(path, example())
    return path.read_bytes()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_corrupted_bytes_give_an_error_or_the_same_data(folder, sound, data):
    path = folder / "corrupt.npz"
    raw = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.none() | st.integers(0, len(raw)))
    path.write_bytes(raw[:cut])
    try:
        trajectories = storage.load(path)
    except InvalidValueError as error:
        assert "corrupt.npz is not a usable trajectory file" in error.problem
        assert error.remedy
    else:
        assert trajectories == example()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lengths": np.array([3, 4])}, "6 acts instead of 7|8 obs instead of 9"),
        ({"lengths": np.array([6, 0])}, "lengths are not positive"),
        ({"lengths": np.array([-3, 9])}, "lengths are not positive"),
        ({"lengths": np.array([2**62, 2**62])}, "instead of 9223372036854775810"),
        ({"lengths": np.array([3.0, 3.0])}, "lengths are not positive"),
        ({"lengths": None}, "lengths"),
        ({"terminal": np.array([True])}, "ended terminally"),
        ({"terminal": np.array([1, 0])}, "ended terminally"),
        ({"acts": np.arange(5)}, "5 acts instead of 6"),
        ({"rews": np.zeros(7, np.float32)}, "7 rews instead of 6"),
        ({"rews": np.zeros((6, 2), np.float32)}, "rews of shape"),
        ({"obs": np.zeros((2, 8)).T}, "no plain array"),  # Fortran order
        ({"obs": np.float32(3)}, "no plain array"),
        ({"obs": np.array(["a"] * 8)}, "no plain array"),
        ({"obs": None}, "obs"),
        ({"header": np.zeros(3, np.uint8)}, "usable"),
        ({"header": None}, "header"),
    ],
)
def test_files_whose_members_do_not_fit_are_refused(tmp_path, changes, message):
    path = tmp_path / "t.npz"
    storage.save(path, example())
    rewrite(path, **changes)
    with pytest.raises(InvalidValueError, match=message):
        storage.load(path)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_a_pickle_inside_is_refused_and_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage.save("t.npz", example())
    rewrite("t.npz", obs=np.array([Bomb()] * 8, dtype=object))
    with pytest.raises(InvalidValueError, match="no plain array"):
        storage.load("t.npz")
    assert os.listdir(tmp_path) == ["t.npz"]


def test_compressed_members_are_refused(tmp_path):
    storage.save(tmp_path / "t.npz", example())
    with np.load(tmp_path / "t.npz") as file:
        members = dict(file)
    np.savez_compressed(tmp_path / "t.npz", **members)
    with pytest.raises(InvalidValueError, match="compressed"):
        storage.load(tmp_path / "t.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x80\x04N.", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "t.npz").write_bytes(content)
    with pytest.raises(InvalidValueError, match="not a usable trajectory file"):
        storage.load(tmp_path / "t.npz")


@pytest.mark.parametrize("read", [storage.load, storage.load_header])
def test_missing_files_and_folders_are_refused(tmp_path, read):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(NotFoundError, match="no trajectory file"):
            read(path)


def changed(**changes):
    return [example(1)[0], dataclasses.replace(example(1)[0], **changes)]


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        ([], "no trajectories"),
        (changed(obs=np.zeros((4, 3), np.float32)), "obs of trajectory 1 have shape"),
        (changed(acts=np.zeros(3, np.float32)), "acts of trajectory 1 .*float32"),
        (changed(rews=np.zeros(3)), "rews of trajectory 1"),
        (
            [*example(1), Trajectory(np.zeros((2, 2), np.float32), np.arange(1), None, True)],
            "has rewards and the other has not",
        ),
    ],
)
def test_trajectories_that_do_not_fit_each_other_are_not_saved(tmp_path, trajectories, message):
    with pytest.raises(InvalidValueError, match=message):
        storage.save(tmp_path / "t.npz", trajectories)
    assert os.listdir(tmp_path) == []


def test_spaces_that_do_not_fit_are_not_saved(tmp_path):
    with pytest.raises(InvalidValueError, match="observations of shape"):
        storage.save(tmp_path / "t.npz", example(), observation_space=spaces.Discrete(3))
    with pytest.raises(InvalidTypeError, match="Dict"):
        storage.save(
            tmp_path / "t.npz",
            [Trajectory(np.zeros(3), np.zeros(2), None, True)],
            action_space=spaces.Discrete(2),
            observation_space=type("Odd", (spaces.Dict,), {"shape": ()})(),
        )


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.npz"
    storage.save(path, example())
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(storage, "_write_member", fail)
    with pytest.raises(OSError, match="disk full"):
        storage.save(path, example(5))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["t.npz"]
