import dataclasses
import os

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors import safe_open
from safetensors.numpy import load_file

from airl_cli.data import Trajectory, TrajectoryWithRew, storage
from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError
from support.demos import rewrite_header, rewrite_tensors


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
    storage.save(folder / "t.safetensors", trajectories)
    again = storage.load(folder / "t.safetensors")
    assert [type(t) for t in again] == [type(t) for t in trajectories]
    assert again == trajectories  # dtypes and terminal flags included
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


def test_spaces_and_metadata_survive_the_file(tmp_path):
    path = tmp_path / "t.safetensors"
    box, discrete = spaces.Box(-np.inf, np.inf, (2,), np.float32), spaces.Discrete(3)
    storage.save(
        path,
        example(),
        observation_space=box,
        action_space=discrete,
        metadata={"source": "ppo", "seed": np.int64(3)},
    )
    header = storage.TrajectoryFile(path).header
    assert (header.observation_space, header.action_space) == (box, discrete)
    assert header.metadata == {"source": "ppo", "seed": 3}
    assert storage.load(path) == example()


def test_safetensors_alone_can_read_the_file(tmp_path):
    storage.save(tmp_path / "t.safetensors", example())
    tensors = load_file(tmp_path / "t.safetensors")
    assert set(tensors) == {"lengths", "terminal", "obs", "acts", "rews"}
    assert tensors["obs"].shape == (8, 2)
    assert tensors["lengths"].tolist() == [3, 3]
    with safe_open(tmp_path / "t.safetensors", framework="np") as file:
        assert file.metadata()["version"] == str(storage.VERSION) == "2"


def test_the_same_trajectories_give_the_same_bytes(tmp_path):
    storage.save(tmp_path / "a.safetensors", example())
    storage.save(tmp_path / "b.safetensors", example())
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "t.safetensors"
    storage.save(path, example())
    return path.read_bytes()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_corrupted_bytes_give_an_error_or_the_same_data(folder, sound, data):
    path = folder / "corrupt.safetensors"
    raw = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.none() | st.integers(0, len(raw)))
    path.write_bytes(raw[:cut])
    try:
        trajectories = storage.load(path)
    except InvalidValueError as error:
        assert "corrupt.safetensors is not a usable trajectory file" in error.problem
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
        ({"lengths": None}, "other tensors"),
        ({"terminal": np.array([True])}, "ended terminally"),
        ({"terminal": np.array([1, 0])}, "ended terminally"),
        ({"acts": np.arange(5)}, "5 acts instead of 6"),
        ({"rews": np.zeros(7, np.float32)}, "7 rews instead of 6"),
        ({"rews": np.zeros((6, 2), np.float32)}, "rews of shape"),
        ({"obs": np.ones(8, np.complex64)}, "obs is of type C64"),
        ({"obs": None}, "other tensors"),
        ({"more": np.zeros(3, np.uint8)}, "other tensors"),
    ],
)
def test_files_whose_tensors_do_not_fit_are_refused(tmp_path, changes, message):
    path = tmp_path / "t.safetensors"
    storage.save(path, example())
    rewrite_tensors(path, **changes)
    with pytest.raises(InvalidValueError, match=message):
        storage.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "3"}, "format version 3.*reads up to 2\\.\nUpgrade"),
        ({"version": "x"}, "format version is 'x'"),
        ({"version": "0"}, "format version is '0'"),
        ({"format": "other"}, "header is not one of"),
        ({"header": "{}"}, "lacks or has unknown fields"),
        ({"header": "[" * 100_000}, "not a usable trajectory file"),
        ({"metadata": None}, "lacks or has unknown fields"),
        ({"more": 1}, "lacks or has unknown fields"),
        ({"action_space": {"type": "Discrete", "n": -1, "start": 0}}, "invalid description"),
        ({"action_space": {"type": "MultiBinary", "shape": [4]}}, "do not fit the space"),
    ],
)
def test_headers_that_say_something_else_are_refused(tmp_path, changes, message):
    path = tmp_path / "t.safetensors"
    storage.save(path, example())
    rewrite_header(path, **changes)
    with pytest.raises(InvalidValueError, match=message):
        storage.load(path)


def test_a_header_of_any_length_is_not_read(tmp_path):
    (tmp_path / "t.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{" * 100)
    with pytest.raises(InvalidValueError, match="header is too long"):
        storage.load(tmp_path / "t.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x80\x04N.", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "t.safetensors").write_bytes(content)
    with pytest.raises(InvalidValueError, match="not a usable trajectory file"):
        storage.load(tmp_path / "t.safetensors")


@pytest.mark.parametrize("read", [storage.load, storage.TrajectoryFile])
def test_missing_files_and_folders_are_refused(tmp_path, read):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(NotFoundError, match="no trajectory file"):
            read(path)


def changed(**changes):
    return [example(1)[0], dataclasses.replace(example(1)[0], **changes)]


@pytest.mark.parametrize(
    ("trajectories", "message"),
    [
        ([], "no episodes"),
        (changed(obs=np.zeros((4, 3), np.float32)), "episode 1, obs: float32 of shape"),
        (changed(acts=np.zeros(3, np.float32)), "episode 1, acts: float32"),
        (changed(rews=np.zeros(3)), "episode 1, rews: float64"),
        (
            [*example(1), Trajectory(np.zeros((2, 2), np.float32), np.arange(1), None, True)],
            "has rewards and the other has not",
        ),
    ],
)
def test_trajectories_that_do_not_fit_each_other_are_not_saved(tmp_path, trajectories, message):
    with pytest.raises(InvalidValueError, match=message):
        storage.save(tmp_path / "t.safetensors", trajectories)
    assert os.listdir(tmp_path) == []


def test_spaces_that_do_not_fit_are_not_saved(tmp_path):
    with pytest.raises(InvalidValueError, match="observations of shape"):
        storage.save(tmp_path / "t.safetensors", example(), observation_space=spaces.Discrete(3))
    with pytest.raises(InvalidTypeError, match="Dict"):
        storage.save(
            tmp_path / "t.safetensors",
            [Trajectory(np.zeros(3), np.zeros(2), None, True)],
            action_space=spaces.Discrete(2),
            observation_space=type("Odd", (spaces.Dict,), {"shape": ()})(),
        )


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.safetensors"
    storage.save(path, example())
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((OSError, InvalidValueError), match="disk full"):
        storage.save(path, example(5))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["t.safetensors"]
