"""CSV, Parquet and DataFrames as pandas makes them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from airl_cli.data import formats
from airl_cli.errors import InvalidValueError
from support.demos import episodes

LENGTHS = (4, 7, 3)


def table(last=True, vectors="numbered", trajectories=None):
    """One row per step; with `last`, a row more for the last observation of each episode."""
    rows = []
    for number, t in enumerate(trajectories or episodes(LENGTHS)):
        for step in range(len(t) + last):
            row = {"episode": number, "step": step}
            if vectors == "lists":
                row["obs"] = t.obs[step].tolist()
            else:
                row |= {f"obs_{i}": value for i, value in enumerate(t.obs[step].tolist())}
            acting = step < len(t)
            row["acts"] = int(t.acts[step]) if acting else pd.NA
            row["rews"] = float(t.rews[step]) if acting else pd.NA
            row["terminations"] = bool(t.terminal and step + 1 == len(t))
            rows.append(row)
    return pd.DataFrame(rows).convert_dtypes()


def stored(frame, kind, folder):
    if kind == "frame":
        return frame
    path = str(folder / f"table.{kind}")
    if kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep={"csv": ",", "tsv": "\t"}[kind])
    return path


@pytest.mark.parametrize("kind", ["frame", "csv", "tsv", "parquet"])
def test_rows_with_a_last_observation_make_whole_episodes(tmp_path, kind):
    found = formats.read(stored(table(), kind, tmp_path))
    assert found.format == {"frame": "dataframe", "tsv": "csv"}.get(kind, kind)
    for trajectory, wanted in zip(found, episodes(LENGTHS), strict=True):
        assert np.allclose(trajectory.obs, wanted.obs, rtol=1e-6)
        assert np.array_equal(trajectory.acts, wanted.acts)
        assert trajectory.acts.dtype == np.int64
        assert np.allclose(trajectory.rews, wanted.rews)
        assert trajectory.terminal == wanted.terminal


@pytest.mark.parametrize("kind", ["frame", "csv", "parquet"])
def test_without_a_last_observation_the_last_transition_is_left_out(tmp_path, kind):
    found = formats.read(stored(table(last=False), kind, tmp_path))
    assert [len(t) for t in found] == [3, 6, 2]
    assert not any(t.terminal for t in found)


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_vectors_may_be_lists(tmp_path, kind):
    found = formats.read(stored(table(vectors="lists"), kind, tmp_path))
    assert [t.obs.shape for t in found] == [(5, 3), (8, 3), (4, 3)]
    assert np.allclose(found[1].obs, episodes(LENGTHS)[1].obs, rtol=1e-6)


def test_columns_of_any_name_are_mapped():
    frame = table().rename(
        columns={"obs_0": "x", "obs_1": "y", "obs_2": "z", "acts": "push", "episode": "flight"}
    )
    with pytest.raises(InvalidValueError, match="no column 'obs', only flight, step, x") as caught:
        formats.read(frame)
    assert "columns={obs: [<column>, ...]" in caught.value.remedy
    mapping = {"obs": ["z", "x"], "acts": "push", "episode": "flight"}
    found = formats.read(frame, columns=mapping)
    assert np.allclose(found[0].obs, episodes(LENGTHS)[0].obs[:, [2, 0]], rtol=1e-6)
    with pytest.raises(InvalidValueError, match="no column 'w'"):
        formats.read(frame, columns=mapping | {"rews": "w"})
    with pytest.raises(InvalidValueError, match="columns.speed is no field"):
        formats.read(frame, columns=mapping | {"speed": "x"})


def test_numbered_columns_are_taken_in_the_order_of_their_numbers():
    frame = pd.DataFrame({f"obs[{i}]": np.full(3, float(i)) for i in (10, 2, 1, *range(3, 10), 0)})
    frame["action"], frame["done"] = [0, 1, 0], [0, 0, 1]
    assert formats.read(frame)[0].obs[0].tolist() == list(range(11))


def test_episodes_without_a_column_are_cut_by_flags():
    frame = table(last=False).drop(columns=["episode", "step", "rews"])
    frame["truncations"] = [row in (3, 10, 13) for row in range(14)]
    found = formats.read(frame)
    assert [len(t) for t in found] == [3, 6, 2]
    nexts = frame[["obs_0", "obs_1", "obs_2"]].shift(-1).fillna(0.0)
    for i in range(3):
        frame[f"next_obs_{i}"] = nexts[f"obs_{i}"]
    frame["terminations"] = False
    assert [len(t) for t in formats.read(frame)] == [4, 7, 3]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_numbers_survive_a_dataframe(data):
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.int64, np.uint8]))
    width = data.draw(st.integers(1, 3))
    lengths = data.draw(st.lists(st.integers(2, 5), min_size=1, max_size=3))
    n = sum(lengths)
    finite = {"elements": {"allow_nan": False, "allow_infinity": False}} if dtype(1.5) != 1 else {}
    obs = data.draw(npst.arrays(dtype, (n, width), **finite))
    acts = data.draw(npst.arrays(np.int64, (n,), elements=st.integers(-5, 5)))
    frame = pd.DataFrame({f"obs{i}": obs[:, i] for i in range(width)})
    frame["acts"], frame["episode"] = acts, np.repeat(np.arange(len(lengths)), lengths)
    if data.draw(st.booleans()):
        frame = frame.convert_dtypes(convert_floating=False, convert_integer=False)
    found = formats.read(frame)
    assert [len(t) for t in found] == [length - 1 for length in lengths]
    wanted = obs if width > 1 else obs[:, 0]
    assert np.array_equal(np.concatenate([t.obs for t in found]), wanted)


def changed(row, column, value):
    frame = table(last=False)
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (changed(6, "obs_1", "fast"), "episode 1, obs_1: 'fast' in row 6 is no number"),
        (changed(6, "obs_1", None), "episode 1, obs_1: no value in row 2"),
        (changed(6, "acts", None), "episode 1, acts: no value in row 2"),
        (changed(6, "step", 0), "episode 1, step: 0 in row 2 comes after 1"),
        (changed(12, "episode", 0), "episode 0: its rows are not in one piece, .* row 12"),
        (changed(12, "episode", None), "episode: no value in row 12"),
        (table().iloc[:0], "holds no episodes"),
        (table().iloc[:1], "holds no episodes"),
        (table().assign(observation=1.0), "observation and obs_0 may both be obs"),
        (table(last=False).drop(columns="episode"), "step: 0 in row 4 comes after 3"),
        (
            table(last=False, vectors="lists").assign(
                obs=lambda f: [v if i else v[:2] for i, v in enumerate(f["obs"])]
            ),
            "episode 0, obs: lists of different length",
        ),
    ],
)
def test_tables_that_make_no_episodes_are_refused(tmp_path, frame, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        formats.read(frame)
    assert caught.value.remedy
    frame.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(InvalidValueError, match="bad.csv"):
        formats.read(str(tmp_path / "bad.csv"))


def test_a_parquet_file_that_grows_without_measure_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("airl_cli.data.formats.base.MAX_BYTES", 2**20)
    path = tmp_path / "bomb.parquet"
    pd.DataFrame({"obs": np.zeros(2**21), "acts": np.zeros(2**21)}).to_parquet(path)
    with pytest.raises(InvalidValueError, match="would grow"):
        formats.read(str(path))
