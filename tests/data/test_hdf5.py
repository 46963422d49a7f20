"""HDF5 files in the layouts of D4RL, robomimic and d3rlpy."""

import json

import h5py
import numpy as np
import pytest

from airl_cli.data import formats
from airl_cli.errors import InvalidValueError
from support.demos import episodes

LENGTHS = (4, 7, 3)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "data.hdf5")


def write_d4rl(path, *, next_observations, flags=("terminals", "timeouts")):
    made = episodes(LENGTHS)
    with h5py.File(path, "w") as file:
        file["observations"] = np.concatenate([t.obs[:-1] for t in made])
        file["actions"] = np.concatenate([t.acts for t in made]).astype(np.float32)[:, None]
        file["rewards"] = np.concatenate([t.rews for t in made])
        terminal, timeout = np.zeros(14, bool), np.zeros(14, bool)
        for end, t in zip(np.cumsum(LENGTHS) - 1, made, strict=True):
            terminal[end], timeout[end] = t.terminal, not t.terminal
        file[flags[0]] = terminal
        if len(flags) > 1:
            file[flags[1]] = timeout if flags[1] == "timeouts" else terminal | timeout
        file["infos/qpos"] = np.zeros((14, 2))
        file["metadata/algorithm"] = "SAC"
        if next_observations:
            file["next_observations"] = np.concatenate([t.obs[1:] for t in made])
    return made


def test_d4rl_with_next_observations(path):
    made = write_d4rl(path, next_observations=True)
    found = formats.read(path)
    assert found.format == "hdf5"
    for trajectory, wanted in zip(found, made, strict=True):
        assert np.array_equal(trajectory.obs, wanted.obs)
        assert np.array_equal(trajectory.rews, wanted.rews)
        assert trajectory.terminal == wanted.terminal
        assert trajectory.acts.shape == (len(wanted), 1)


@pytest.mark.parametrize("flags", [("terminals", "timeouts"), ("terminals", "episode_terminals")])
def test_d4rl_and_d3rlpy_1_without_next_observations(path, flags):
    made = write_d4rl(path, next_observations=False, flags=flags)
    found = formats.read(path)
    assert [len(t) for t in found] == [3, 6, 2]
    assert not any(t.terminal for t in found)
    assert np.array_equal(found[1].obs, made[1].obs[:-1])


def test_d3rlpy_2(path):
    made = episodes(LENGTHS)
    with h5py.File(path, "w") as file:
        file.create_dataset("columns", data=["observations", "actions", "rewards", "terminated"])
        file.create_dataset("num_episodes", data=len(made))
        file.create_dataset("version", data="2.1")
        for i, t in enumerate(made):
            file[f"observations_{i}"], file[f"actions_{i}"] = t.obs[:-1], t.acts[:, None]
            file[f"rewards_{i}"] = t.rews[:, None]
            file.create_dataset(f"terminated_{i}", data=t.terminal)
    found = formats.read(path)
    assert found.format == "d3rlpy"
    assert [len(t) for t in found] == [3, 6, 2]
    assert np.array_equal(found[2].acts, made[2].acts[:-1])


def write_robomimic(path, nexts=True):
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1})
        for number in (10, 2):
            demo = data.create_group(f"demo_{number}")
            demo["actions"], demo["rewards"] = np.full((number, 7), number), np.zeros(number)
            demo["dones"], demo["states"] = np.arange(number) == number - 1, np.zeros((number, 9))
            for group in ("obs", "next_obs")[: 1 + nexts]:
                demo[f"{group}/pos"] = rng.normal(size=(number, 3))
                demo[f"{group}/angle"] = rng.normal(size=(number, 2))


def test_robomimic(path):
    write_robomimic(path)
    found = formats.read(path)
    assert (found.format, found.metadata) == ("robomimic", {"env": "Lift"})
    assert [len(t) for t in found] == [2, 10]  # in the order of their numbers
    assert all(t.terminal for t in found)
    with h5py.File(path) as file:
        demo = file["data/demo_10"]
        wanted = np.concatenate([demo["obs/angle"], demo["obs/pos"]], axis=1)
        last = np.concatenate([demo["next_obs/angle"][-1], demo["next_obs/pos"][-1]])
    assert np.array_equal(found[1].obs, [*wanted, last])
    assert formats.read(path, columns={"obs": ["pos"]})[0].obs.shape == (3, 3)
    with pytest.raises(InvalidValueError, match="demo_2 has no observation speed, only angle, pos"):
        formats.read(path, columns={"obs": ["speed"]})


def test_robomimic_without_next_observations(path):
    write_robomimic(path, nexts=False)
    found = formats.read(path)
    assert [len(t) for t in found] == [1, 9]
    assert not any(t.terminal for t in found)


def with_secret(file, kind, secret):
    file["actions"] = np.zeros((4, 1))
    if kind == "link":
        file["observations"] = h5py.ExternalLink(secret, "/observations")
    elif kind == "soft link":
        file["observations"] = h5py.SoftLink("/actions")
    elif kind == "external":
        file.create_dataset("observations", (4, 2), "u1", external=[(secret, 0, 8)])
    elif kind == "virtual":
        layout = h5py.VirtualLayout((4, 2), "u1")
        layout[:] = h5py.VirtualSource(secret, "observations", (4, 2), "u1")
        file.create_virtual_dataset("observations", layout)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("link", "observations is a link to .*: not read"),
        ("soft link", "observations is a link to /actions: not read"),
        ("external", "data of observations is in other files: not read"),
        ("virtual", "data of observations is in other files: not read"),
    ],
)
def test_data_outside_of_the_file_are_not_read(path, tmp_path, kind, message):
    secret = str(tmp_path / "secret.hdf5")
    with h5py.File(secret, "w") as file:
        file["observations"] = np.arange(8, dtype="u1").reshape(4, 2)
    with h5py.File(path, "w") as file:
        with_secret(file, kind, secret)
    with pytest.raises(InvalidValueError, match=message):
        formats.read(path)


def test_groups_in_circles_and_huge_datasets_are_refused(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("a")
        group["again"] = group
    with pytest.raises(InvalidValueError, match="without end"):
        formats.read(path)
    with h5py.File(path, "w") as file:
        for name in ("observations", "actions"):
            file.create_dataset(name, (2**34, 2), "f8", chunks=(1024, 2))
    with pytest.raises(InvalidValueError, match="would grow from 0 to"):
        formats.read(path)


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_damaged_files_are_refused(path, content):
    with open(path, "wb") as file:
        file.write(b"\x89HDF\r\n\x1a\n" + content)
    with pytest.raises(InvalidValueError, match="not a usable HDF5 file"):
        formats.read(path)


def test_a_file_without_actions_is_refused(path):
    with h5py.File(path, "w") as file:
        file["observations"] = np.zeros((4, 2))
    with pytest.raises(InvalidValueError, match="no array 'acts', only observations") as caught:
        formats.read(path)
    assert "without actions" in caught.value.remedy
