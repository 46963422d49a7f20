import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import datasets
import minari
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from minari.data_collector.episode_buffer import EpisodeBuffer

from airl_cli.data import Trajectory, formats
from airl_cli.data.digest import CHECKSUMS
from airl_cli.errors import AirlError, InvalidTypeError, InvalidValueError, NotFoundError
from support.demos import ACT_SPACE, OBS_SPACE, corruptions, episodes, recordings, rewrite

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")

FILES = Path(__file__).parent / "files"
NAMES = {
    "airl": "t.safetensors",
    "npz": "t.npz",
    "imitation": "t.npz",
    "huggingface": "t",
    "minari": "t-v0",
}


def write(folder, name, trajectories, obs_space=OBS_SPACE, act_space=ACT_SPACE):
    path = folder / NAMES[name]
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    formats.write(
        str(path),
        trajectories,
        format=name,
        observation_space=obs_space,
        action_space=act_space,
        metadata={"source": "test"},
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("formats")


quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data())
def test_trajectories_survive_every_format(folder, name, data):
    with_rews = True if name == "minari" else None  # it has no place for unknown rewards
    trajectories, obs_space, act_space = data.draw(recordings(with_rews))
    path = write(folder, name, trajectories, obs_space, act_space)
    again = formats.read(str(path))
    assert list(again.trajectories) == trajectories  # dtypes and terminal flags included
    assert again.format == name
    assert again.verified


def test_our_own_format_under_a_name_of_numpy_is_an_npz(tmp_path):
    path = str(tmp_path / "t.npz")
    kept = {"observation_space": OBS_SPACE, "action_space": ACT_SPACE, "metadata": {"seed": 3}}
    formats.write(path, episodes(), format="airl", **kept)
    with np.load(path, allow_pickle=False) as file:
        assert set(file) == {"header", "lengths", "terminal", "obs", "acts", "rews"}
        assert file["lengths"].tolist() == [4, 7, 3]
    again = formats.read(path)
    assert list(again) == episodes()
    assert again.format == "airl"
    assert {name: getattr(again, name) for name in kept} == kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "format version 2.*reads up to 1\\.\nUpgrade"),
        ({"format": "other"}, "header is not one of"),
        ({"members": ["acts"]}, "names other members"),
        ({"metadata": None}, "lacks or has unknown fields"),
        ({"action_space": {"type": "MultiBinary", "shape": [4]}}, "do not fit the space"),
    ],
)
def test_headers_of_the_first_edition_that_say_something_else_are_refused(
    tmp_path, changes, message
):
    path = tmp_path / "t.npz"
    formats.write(str(path), episodes(), format="airl")
    with np.load(path) as file:
        header = json.loads(file["header"].tobytes()) | changes
    rewrite(path, header=np.frombuffer(json.dumps(header).encode(), dtype=np.uint8))
    with pytest.raises(InvalidValueError, match=message):
        formats.read(str(path))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(corrupt=corruptions())
def test_corrupted_bytes_give_an_error_or_the_same_data(folder, name, corrupt):
    original = folder / f"sound-{name}"
    if not original.exists():
        shutil.move(write(folder, name, episodes()), original)
    path = folder / f"corrupt-{name}"
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (shutil.copytree if original.is_dir() else shutil.copy)(original, path)
    corrupt(path)
    try:
        again = list(formats.read(str(path)).trajectories)
    except AirlError as error:
        assert "corrupt-" in error.problem
        assert error.remedy
    else:
        assert again == episodes()


@pytest.mark.parametrize("name", ["huggingface", "minari"])
@settings(max_examples=25, deadline=None)
@given(corrupt=corruptions())
def test_damaged_folders_of_other_programs_give_no_crash(folder, name, corrupt):
    original = folder / f"foreign-{name}"
    if not original.exists():
        shutil.move(write(folder, name, episodes()), original)
        (original / CHECKSUMS).unlink()  # other programs write none
    path = folder / f"spoilt-{name}"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(original, path)
    corrupt(path)
    try:
        assert not formats.read(str(path)).verified
    except AirlError as error:
        assert "spoilt-" in error.problem


@pytest.mark.parametrize("name", ["imitation_dataset", "imitation_legacy.npz"])
def test_what_imitation_wrote_is_read(name):
    recording = formats.read(str(FILES / name))
    assert recording.format == {"d": "huggingface", "l": "imitation"}[name[10]]
    with np.load(FILES / "expected.npz") as expected:
        for i, trajectory in enumerate(recording.trajectories):
            for field in ("obs", "acts", "rews", "terminal"):
                wanted, found = expected[f"{field}_{i}"], np.asarray(getattr(trajectory, field))
                assert np.array_equal(found, wanted)
                assert found.dtype == wanted.dtype
    assert [t.terminal for t in recording.trajectories] == [True] * 4 + [False]


def test_formats_that_cannot_hold_a_recording_say_so(tmp_path):
    without = episodes(rews=False)
    with pytest.raises(InvalidValueError, match="needs rewards"):
        write(tmp_path, "minari", without)
    with pytest.raises(InvalidValueError, match="needs the environment's spaces"):
        write(tmp_path, "minari", episodes(), None, None)
    empty = [Trajectory(np.zeros((3, 0), np.float32), np.zeros(2, np.int64), None, False)]
    with pytest.raises(InvalidValueError, match="cannot be held"):
        write(tmp_path, "huggingface", empty)
    assert os.listdir(tmp_path) == []  # nothing half-made


def test_the_target_is_refused_before_any_work(tmp_path):
    (tmp_path / "there").mkdir()
    for path, name, message in (
        (tmp_path / "there", None, "exists already"),
        (tmp_path / "x.h5", None, "does not say in which format"),
        (tmp_path / "x.npz", "zarr", "no format 'zarr'"),
        (tmp_path / "x.dat", "airl", "does not end in .safetensors or .npz"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            formats.check_target(str(path), name)
    assert formats.check_target(str(tmp_path / "x.safetensors")) == "airl"
    assert formats.check_target(str(tmp_path / "x.npz")) == "airl"
    assert formats.check_target(str(tmp_path / "x")) == "huggingface"
    assert formats.check_target("minari:none/such-v0") == "minari"


# -- what other programs may have put into an .npz -------------------------------------------------


def flat(lengths=(2, 3)):
    n = sum(lengths)
    return {
        "obs": np.arange((n + len(lengths)) * 2, dtype=np.float32).reshape(-1, 2),
        "acts": np.arange(n),
        "lengths": np.array(lengths),
    }


def read_arrays(tmp_path, **arrays):
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    return formats.read(str(tmp_path / "a.npz")).trajectories


def test_arrays_are_cut_by_lengths_and_by_indices_alike(tmp_path):
    by_lengths = read_arrays(tmp_path, **flat())
    arrays = flat()
    del arrays["lengths"]
    assert read_arrays(tmp_path, **arrays, indices=np.array([2])) == by_lengths
    assert read_arrays(tmp_path, **arrays, indices=np.array([2, 5])) == by_lengths
    assert [len(t) for t in by_lengths] == [2, 3]
    assert by_lengths[1].obs[0].tolist() == [6, 7]


def test_stacked_episodes_are_told_apart_by_their_first_axis(tmp_path):
    stacked = read_arrays(
        tmp_path,
        observations=np.zeros((4, 6, 2)),
        actions=np.zeros((4, 5, 1)),
        rewards=np.ones((4, 5)),
        terminal=np.array([True, False, False, True]),
    )
    assert [len(t) for t in stacked] == [5] * 4
    assert [t.terminal for t in stacked] == [True, False, False, True]


def test_transitions_are_joined_into_episodes_and_a_timeout_is_not_terminal(tmp_path):
    obs = np.array([[0.0], [1], [10], [11], [20]])
    episodes_ = read_arrays(
        tmp_path,
        observations=obs,
        actions=np.arange(5),
        next_observations=obs + 1,
        terminals=np.array([False, True, False, False, False]),
        timeouts=np.array([False, False, False, True, False]),
        rewards=np.arange(5.0),
    )
    assert [t.obs.ravel().tolist() for t in episodes_] == [[0, 1, 2], [10, 11, 12], [20, 21]]
    assert [t.terminal for t in episodes_] == [True, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obs": np.zeros((6, 2))}, "obs: 6 rows, but 2 episodes of 5 steps in all have 7"),
        ({"acts": np.arange(4)}, "acts: 4 rows"),
        ({"rews": np.zeros(6)}, "rews: 6 rows"),
        ({"lengths": np.array([5, 0])}, "episode 1: it has no actions"),
        ({"lengths": np.array([2.0, 3.0])}, "lengths: no list of whole numbers"),
        ({"terminal": np.array([0, 2])}, "terminal: int64 of shape"),
        ({"terminal": np.zeros(5, bool)}, "terminal: bool of shape"),
        ({"obs": np.array(["a"] * 7)}, "obs is no plain array of numbers"),
        ({"obs": None}, "no array 'obs', only acts, lengths"),
        ({"lengths": None}, "do not say where episodes end"),
        ({"acts": np.zeros(0, np.int64)}, "no episodes"),
        ({"acts": np.array([{}] * 5)}, "acts holds Python objects: a pickle"),
    ],
)
def test_arrays_that_make_no_episodes_are_refused(tmp_path, change, message):
    arrays = {name: value for name, value in (flat() | change).items() if value is not None}
    with pytest.raises(InvalidValueError, match=message) as caught:
        read_arrays(tmp_path, **arrays)
    assert "a.npz" in caught.value.problem
    assert caught.value.remedy


# -- Hugging Face ----------------------------------------------------------------------------------


def saved(tmp_path, **columns):
    datasets.Dataset.from_dict(columns).save_to_disk(str(tmp_path / "d"))
    return formats.read(str(tmp_path / "d"))


def row(**changes):
    columns = {"obs": [[[0.0], [1.0], [2.0]]], "acts": [[0, 1]], "terminal": [True]} | changes
    return {name: value for name, value in columns.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"obs": [[[0.0], [1.0]]]}, "episode 0, obs: 2 observations for 2 actions"),
        ({"obs": [[[0.0], [1.0, 2.0], [3.0]]]}, "episode 0, obs: rows of different length"),
        ({"obs": [[[0.0], [None], [1.0]]]}, "episode 0, obs: missing values"),
        ({"acts": [["a", "b"]]}, "episode 0, acts: missing values, or not numbers"),
        ({"acts": [7]}, "episode 0, acts: no list"),
        ({"terminal": ["yes"]}, "episode 0, terminal: 'yes'"),
        ({"terminal": None}, "has no column terminal"),
        ({"rews": [[1.0]]}, "episode 0: .*rews of shape"),
        ({"obs": [], "acts": [], "terminal": []}, "holds no episodes"),
    ],
)
def test_datasets_without_trajectories_are_refused(tmp_path, changes, message):
    with pytest.raises(InvalidValueError, match=message):
        saved(tmp_path, **row(**changes))


def test_element_types_and_selected_rows_of_a_dataset_are_kept(tmp_path):
    features = datasets.Features(
        obs=datasets.Array2D((3, 1), "float16"),
        acts=datasets.Sequence(datasets.Value("uint8")),
        terminal=datasets.Value("bool"),
    )
    dataset = datasets.Dataset.from_dict(
        {name: value * 3 for name, value in row().items()}, features=features
    )
    dataset.select([2, 0]).save_to_disk(str(tmp_path / "d"))
    found = formats.read(str(tmp_path / "d")).trajectories
    assert len(found) == 2
    assert (found[0].obs.dtype, found[0].acts.dtype) == (np.float16, np.uint8)
    assert found[0].obs.tolist() == [[0.0], [1.0], [2.0]]


def test_several_splits_are_named(tmp_path):
    part = datasets.Dataset.from_dict(row())
    datasets.DatasetDict(train=part, test=part).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(InvalidValueError, match="several splits: test, train"):
        formats.read(str(tmp_path / "d"))
    assert len(formats.read(str(tmp_path / "d" / "train")).trajectories) == 1


# -- Minari ----------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def collected(dataset_id, observation_space=OBS_SPACE, **changes):
    """A dataset that Minari itself writes: two episodes, one terminal and one truncated."""
    buffers = []
    for terminated in (True, False):
        fields = {
            "observations": np.zeros((4, 3), np.float32),
            "actions": np.array([0, 1, 0]),
            "rewards": np.ones(3),
            "terminations": np.array([False, False, terminated]),
            "truncations": np.array([False, False, not terminated]),
        }
        buffers.append(EpisodeBuffer(**{**fields, **changes}))
    minari.create_dataset_from_buffers(
        dataset_id, buffers, observation_space=observation_space, action_space=ACT_SPACE
    )
    return formats.read(f"minari:{dataset_id}")


def test_minari_keeps_terminal_and_truncated_apart(root):
    recording = collected("line/test-v0")
    assert [t.terminal for t in recording.trajectories] == [True, False]
    assert (recording.observation_space, recording.action_space) == (OBS_SPACE, ACT_SPACE)
    assert not recording.verified
    # By its folder, too.
    assert list(formats.read(str(root / "line/test-v0")).trajectories) == recording.trajectories


def test_what_is_written_is_a_dataset_to_minari(root):
    formats.write(
        "minari:line/copy-v0", episodes(), observation_space=OBS_SPACE, action_space=ACT_SPACE
    )
    dataset = minari.load_dataset("line/copy-v0")
    assert dataset.total_episodes == 3
    assert [bool(e.terminations[-1]) for e in dataset] == [False, True, True]
    assert [bool(e.truncations[-1]) for e in dataset] == [True, False, False]


def test_dict_spaces_of_minari_are_refused(root):
    with pytest.raises(InvalidTypeError, match="observation space is a Dict space"):
        collected(
            "line/dict-v0",
            spaces.Dict({"a": OBS_SPACE}),
            observations={"a": np.zeros((4, 3), np.float32)},
        )


def test_minari_datasets_that_go_on_after_their_end_or_are_missing_are_refused(root):
    with pytest.raises(InvalidValueError, match="episode 0, terminations: .* step 1"):
        collected("line/on-v0", terminations=np.array([False, True, False]))
    with pytest.raises(NotFoundError, match="no Minari dataset minari:line/none-v0"):
        formats.read("minari:line/none-v0")


def test_a_minari_dataset_cannot_make_us_construct_its_environment(root):
    collected("line/env-v0")
    metadata = root / "line/env-v0/data/metadata.json"
    text = metadata.read_text().replace('"observation_space"', '"no_space"')
    metadata.write_text(text)
    with pytest.raises(InvalidValueError, match="does not say what its observation space is"):
        formats.read("minari:line/env-v0")


# -- what is recognised ----------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello", "in no format that is known"),
        (pickle.dumps([Bomb()]), "is a pickle"),
        (b"\x93NUMPY\x01\x00", "a single NumPy array"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"PK\x03\x04 and no more", "truncated or damaged"),
    ],
)
def test_other_files_are_named_for_what_they_are(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    Path("f.npz").write_bytes(content)
    with pytest.raises(InvalidValueError, match=message) as caught:
        formats.read("f.npz")
    assert caught.value.remedy
    assert os.listdir() == ["f.npz"]


def test_models_and_foreign_folders_are_not_taken_for_trajectories(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("policy.pth", b"")
    with pytest.raises(InvalidValueError, match="Stable-Baselines3 model.*\n.*expert=checkpoint"):
        formats.read(str(tmp_path / "m.zip"))
    with pytest.raises(InvalidValueError, match="neither a saved Hugging Face"):
        formats.read(str(tmp_path))
    with pytest.raises(NotFoundError, match="no file or folder"):
        formats.read(str(tmp_path / "none"))
