"""Tables with one row per step: CSV, Parquet and pandas DataFrames.

A field is a column of its name (or a usual one, see `arrays.SYNONYMS`); vectors are a column of
lists, or numbered columns: `obs_0`, `obs_1`, ... `columns={obs: [x, v], acts: force}` names others.

Episodes are told apart by a column `episode`, or else by flags or `next_obs` as in `arrays`. A
column `step` or `time` is compared: it must increase within an episode. The last row of an episode
may have an observation and no action: it is where the episode ended. Otherwise, without `next_obs`,
the last transition of each episode is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from airl_cli.data.formats import arrays as layouts
from airl_cli.data.formats.base import (
    DEFAULTS,
    Format,
    Options,
    Recording,
    check_inflation,
    require,
)
from airl_cli.data.formats.fields import SYNONYMS, ragged
from airl_cli.data.transitions import no_actions
from airl_cli.data.types import Trajectory
from airl_cli.data.validate import explained, no_episodes
from airl_cli.errors import InvalidValueError

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_EPISODE = ("episode", "episode_id", "episode_index", "trajectory", "traj_id")
_TIME = ("step", "time", "timestep", "frame_index", "t")
_VECTORS = ("obs", "acts", "next_obs")
_FLAGS = ("dones", "terminations", "truncations")
_PER_STEP = ("obs", "acts", "rews", "next_obs", *_FLAGS)


def read_csv(path: str, options: Options) -> Recording:
    """The episodes of a text file with a heading and one row per step.

    Raises:
        InvalidValueError: If it is no such table, or does not hold episodes.
    """
    import pandas as pd

    with explained(path, "CSV file"):
        with open(path, encoding="utf-8") as file:
            heading = file.readline()
        separator = max(",;\t", key=heading.count)
        frame = pd.read_csv(
            path,
            sep=separator,
            compression=None,
            dtype_backend="numpy_nullable",
            float_precision="round_trip",
            skipinitialspace=True,
        )
        frame.columns = [str(name).strip() for name in frame.columns]
    return from_dataframe(frame, options, source=path, format=CSV.name)


def read_parquet(path: str, options: Options) -> Recording:
    """The episodes of a Parquet file with one row per step.

    Raises:
        NotFoundError: If pyarrow is not installed.
        InvalidValueError: If it is damaged, or does not hold episodes.
    """
    require("pyarrow", "parquet", "a Parquet file")
    import pandas as pd
    import pyarrow.parquet as pq

    with explained(path, "Parquet file"):
        with pq.ParquetFile(path) as file:
            described = file.metadata
            groups = (described.row_group(i) for i in range(described.num_row_groups))
            size = max(
                sum(group.total_byte_size for group in groups),
                described.num_rows * described.num_columns,
            )
        check_inflation(path, "the table", size, Path(path).stat().st_size)
        frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
    return from_dataframe(frame, options, source=path, format=PARQUET.name)


def from_dataframe(
    frame: DataFrame,
    options: Options = DEFAULTS,
    *,
    source: str = "the DataFrame",
    format: str = "dataframe",
) -> Recording:
    """The episodes of a pandas DataFrame with one row per step.

    Args:
        frame: The table.
        options: How what it leaves open is read.
        source: For messages.
        format: For the recording.

    Raises:
        InvalidValueError: If columns are missing, or the rows do not make episodes.
    """
    if len(frame) == 0:
        raise no_episodes(source)
    with explained(source, "table of trajectories"):
        columns = _columns_of(source, list(map(str, frame.columns)), options.names)
        frame = frame.rename(columns=str).reset_index(drop=True)
        objects = frame.select_dtypes(object).columns  # of Python's own numbers, for example
        frame = frame.astype({name: frame[name].convert_dtypes().dtype for name in objects})
        _check_texts(source, frame, columns)
        if "episode" in columns:
            trajectories = _by_episode(source, frame, columns, options)
        else:
            _check_time(source, frame, columns)
            fields = {
                name: _values(source, frame, names)
                for name, names in columns.items()
                if name in _PER_STEP or name == "terminal"
            }
            trajectories = layouts.episodes(source, fields, options)
    return Recording(source, format, trajectories, verified=False)


def _columns_of(source: str, names: list[str], mapping: Mapping[str, Any]) -> dict[str, list[str]]:
    """Columns of each field that is there: one of scalars or lists, or numbered ones."""
    found: dict[str, list[str]] = {}
    synonyms = {**SYNONYMS, "episode": _EPISODE, "time": _TIME}
    unknown = [field for field in mapping if field not in synonyms]
    if unknown:
        raise InvalidValueError(
            f"columns.{unknown[0]} is no field.", f"Fields are {', '.join(synonyms)}."
        )
    for field, usual in synonyms.items():
        if field in mapping:
            wanted = mapping[field]
            found[field] = [wanted] if isinstance(wanted, str) else list(map(str, wanted))
            continue
        plain = [name for name in usual if name in names]
        numbered = [_numbered(names, name) for name in usual] if field in _VECTORS else []
        candidates = [[name] for name in plain] + [columns for columns in numbered if columns]
        if len(candidates) > 1:
            raise InvalidValueError(
                f"{source}: {candidates[0][0]} and {candidates[1][0]} may both be {field}.",
                f"Choose: columns={{{field}: {candidates[0][0]}}}.",
            )
        if candidates:
            found[field] = candidates[0]
    missing = [name for columns in found.values() for name in columns if name not in names]
    missing += [] if "obs" in found else ["obs"]
    if missing:
        raise InvalidValueError(
            f"{source} has no column {missing[0]!r}, only {', '.join(names)[:300]}.",
            "Name what is there: columns={obs: [<column>, ...], acts: <column>, "
            "episode: <column>}.",
        )
    return found


def _numbered(names: list[str], field: str) -> list[str]:
    """`field_0`, `field_1`, ... (or with a dot, brackets or nothing between), in this order."""
    pattern = re.compile(re.escape(field) + r"[_.\- ]?\[?(\d+)\]?")
    found = {int(match[1]): name for name in names if (match := pattern.fullmatch(name))}
    first = min(found, default=0)
    if not found or sorted(found) != list(range(first, first + len(found))) or first > 1:
        return []
    return [found[number] for number in sorted(found)]


def _by_episode(
    source: str, frame: DataFrame, columns: Mapping[str, list[str]], options: Options
) -> list[Trajectory]:
    from pandas import factorize

    codes, names = factorize(frame[columns["episode"][0]])
    if (codes < 0).any():
        raise InvalidValueError(
            f"{source}: {columns['episode'][0]}: no value in row {int((codes < 0).argmax())}.",
            "Give the episode's number in every row.",
        )
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    again = np.flatnonzero(np.diff(codes[starts], prepend=-1) != 1)
    if len(again):
        row = int(starts[again[0]])
        raise InvalidValueError(
            f"{source}: episode {names[codes[row]]}: its rows are not in one piece, it begins "
            f"again in row {row}.",
            "Sort the rows by episode and time, or give every episode a value of its own.",
        )
    parts = [
        _fields(f"{source}: episode {names[codes[a]]}", frame.iloc[a:b], columns)
        for a, b in zip(starts.tolist(), [*starts[1:].tolist(), len(frame)], strict=True)
    ]
    parts = [part for part in parts if len(part["obs"]) > 1 or "next_obs" in part]
    if not parts:
        raise no_episodes(source)
    # Where an episode has as many observations as actions, the observation after the last is lost.
    fields = {name: ragged([part[name] for part in parts]) for name in parts[0]}
    return layouts.episodes(source, fields, replace(options, drop_last_action=True))


def _fields(place: str, rows: DataFrame, columns: Mapping[str, list[str]]) -> dict[str, Any]:
    """The arrays of one episode; its last row may be an observation alone."""
    _check_time(place, rows, columns)
    acts = columns.get("acts")
    ended = acts is not None and len(rows) > 1 and bool(rows[acts].iloc[-1].isna().all())
    acting = rows.iloc[:-1] if ended else rows
    found: dict[str, Any] = {}
    for field in (name for name in _PER_STEP if name in columns):
        names, values = columns[field], acting
        if field == "obs":
            values = rows
        elif ended and field in _FLAGS:
            # The row of the last observation may hold the flag of the step that led to it.
            values = acting[names].copy()
            values.iloc[-1, 0] = max(values.iloc[-1, 0], rows[names].fillna(0).iloc[-1, 0])
        found[field] = _values(place, values, names)
    if acts is None:
        found["acts"] = no_actions(len(acting))
    if "terminal" in columns:
        marks = rows[columns["terminal"][0]].dropna()
        found["terminal"] = bool(len(marks)) and bool(marks.iloc[-1])
    return found


def _check_texts(source: str, frame: DataFrame, columns: Mapping[str, list[str]]) -> None:
    """Refuses texts where numbers belong, naming the first one."""
    from pandas import to_numeric

    episode = columns.get("episode", [""])[0]
    for name in (name for field in columns if field != "episode" for name in columns[field]):
        column = frame[name]
        texts = column.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
        if not texts.any():
            continue
        bad = to_numeric(column[texts], errors="coerce").isna().to_numpy(dtype=bool)
        row = int(np.flatnonzero(texts)[bad.argmax()])
        place = (
            f"{source}: episode {frame[episode].iloc[row]}, {name}"
            if episode
            else (f"{source}: {name}")
        )
        raise InvalidValueError(
            f"{place}: {column.iloc[row]!r:.60} in row {row} is no number.",
            "Store numbers in this column.",
        )


def _check_time(place: str, rows: DataFrame, columns: Mapping[str, list[str]]) -> None:
    if "time" not in columns:
        return
    name = columns["time"][0]
    values = _values(place, rows, [name])
    backwards = np.flatnonzero(np.diff(values) <= 0)
    if len(backwards):
        row = int(backwards[0]) + 1
        raise InvalidValueError(
            f"{place}, {name}: {values[row]} in row {row} comes after {values[row - 1]}.",
            "Sort the rows by time, and name the column that tells episodes apart: "
            "columns={episode: <column>}.",
        )


def _values(place: str, rows: DataFrame, names: list[str]) -> np.ndarray:
    """(n, len(names)) numbers, or (n, ...) of one column of numbers or lists."""
    parts = [_numbers(place, name, rows[name]) for name in names]
    if len(parts) == 1:
        return parts[0]
    return np.stack(parts, axis=1)


def _numbers(place: str, name: str, column: Series[Any]) -> np.ndarray:
    missing = column.isna().to_numpy(dtype=bool)
    if missing.any():
        raise InvalidValueError(
            f"{place}, {name}: no value in row {int(missing.argmax())}.",
            "Fill it, or leave the episode out.",
        )
    values = column.to_numpy()
    if values.dtype == object and len(values) and np.ndim(values[0]) > 0:
        try:
            values = np.stack([np.stack(value) for value in values])
        except (ValueError, TypeError) as error:
            raise InvalidValueError(
                f"{place}, {name}: lists of different length, or not of numbers.",
                "Give as many numbers in each row.",
            ) from error
    elif values.dtype == object:
        try:
            values = column.to_numpy(dtype=_dtype_of(column))
        except (ValueError, TypeError):
            values = column.to_numpy(dtype=object)
    if values.dtype.kind not in "biuf":
        raise InvalidValueError(
            f"{place}, {name}: {values.dtype} values are no numbers.", "Store numbers."
        )
    return np.asarray(values)


def _dtype_of(column: Series[Any]) -> Any:
    """NumPy's type of a column of pandas' nullable types."""
    return getattr(column.dtype, "numpy_dtype", None)


CSV = Format("csv", "a CSV file with one row per step (only read)", read_csv)
PARQUET = Format("parquet", "a Parquet file with one row per step (only read)", read_parquet)
