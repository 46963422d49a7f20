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


@pytest.mark.parametrize("name", ["airl", "npz", "huggingface"])
def test_what_is_there_is_only_replaced_when_asked(tmp_path, name):
    path = write(tmp_path, name, episodes())
    with pytest.raises(InvalidValueError, match="exists already"):
        formats.write(str(path), episodes((2,)), format=name)
    assert len(formats.read(str(path))) == 3
    formats.write(str(path), episodes((2,)), format=name, overwrite=True)
    assert list(formats.read(str(path))) == episodes((2,))
    assert os.listdir(tmp_path) == [path.name]


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


def test_a_dataset_cannot_name_files_outside_of_its_folder(tmp_path):
    path = write(tmp_path, "huggingface", episodes())
    (path / CHECKSUMS).unlink()
    state = json.loads((path / "state.json").read_text())
    for name in ("../other.arrow", "/etc/passwd", "..", "sub/x.arrow", 3):
        state["_data_files"] = [{"filename": name}]
        (path / "state.json").write_text(json.dumps(state))
        with pytest.raises(InvalidValueError, match="refers to a file outside of its folder"):
            formats.read(str(path))


# -- Minari ----------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def collected(dataset_id, observation_space=OBS_SPACE, action_space=ACT_SPACE, **changes):
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
        dataset_id, buffers, observation_space=observation_space, action_space=action_space
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


DICT = spaces.Dict(
    z=spaces.Discrete(3, start=1),
    a=spaces.Box(-9, 9, (2, 1), np.float32),
    m=spaces.MultiDiscrete([2, 3]),
    n=spaces.Dict(b=spaces.MultiBinary(2)),
)


def test_dict_observations_of_minari_are_flattened_as_gymnasium_does_it(root):
    DICT.seed(0)
    rows = [DICT.sample() for _ in range(4)]
    stacked = {name: np.stack([row[name] for row in rows]) for name in "zam"}
    stacked["n"] = {"b": np.stack([row["n"]["b"] for row in rows])}
    recording = collected("line/dict-v0", DICT, observations=stacked)
    assert recording.observation_space == spaces.flatten_space(DICT)
    wanted = np.stack([spaces.flatten(DICT, row) for row in rows])
    assert np.array_equal(recording[0].obs, wanted)
    assert recording[0].obs.dtype == wanted.dtype


def test_dict_actions_of_minari_are_refused(root):
    with pytest.raises(InvalidTypeError, match="action space is a Dict space"):
        collected(
            "line/acts-v0",
            actions={"a": np.array([0, 1, 0])},
            action_space=spaces.Dict(a=ACT_SPACE),
        )


@pytest.mark.parametrize("field", ["rewards", "terminations"])
def test_minari_columns_of_another_rank_are_refused(root, field):
    with pytest.raises(InvalidValueError, match=f"episode 0, {field}: shape .3, 1. instead of .3,"):
        collected(f"line/{field}-v0", **{field: np.zeros((3, 1), bool)})


def test_a_minari_dataset_is_written_to_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept = {"observation_space": OBS_SPACE, "action_space": ACT_SPACE}
    for overwrite in (False, True):
        formats.write("cart/x-v0", episodes(), format="minari", overwrite=overwrite, **kept)
        assert list(formats.read("cart/x-v0")) == episodes()


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
        (b"\x89HDF\r\n", "not a usable HDF5 file"),
        (b"PAR1 and no more", "not a usable Parquet file"),
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


def test_only_regular_files_inside_of_a_folder_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(InvalidValueError, match="no regular file"):
        formats.read(str(tmp_path / "pipe.npz"))
    path = write(tmp_path, "huggingface", episodes())
    (tmp_path / "secret").write_text("x")
    (path / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidValueError, match="link that leads out of"):
        formats.read(str(path))


def test_models_and_foreign_folders_are_not_taken_for_trajectories(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr("policy.pth", b"")
    with pytest.raises(InvalidValueError, match="Stable-Baselines3 model.*\n.*expert=checkpoint"):
        formats.read(str(tmp_path / "m.zip"))
    with pytest.raises(InvalidValueError, match="neither a saved Hugging Face"):
        formats.read(str(tmp_path))
    with pytest.raises(NotFoundError, match="no file or folder"):
        formats.read(str(tmp_path / "none"))
