"""Folders that Hugging Face `datasets` saved, one row per episode, as `imitation` writes them.

Columns `obs` (T + 1 rows of numbers), `acts` (T), `terminal` (one flag) and, where known, `rews`
(T). A column `infos` holds texts that `imitation` decodes with `jsonpickle`, which can run code:
it is left unread. Such folders have no checksums; those written here carry a list of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from airl_cli.data import validate
from airl_cli.data.digest import verify_checksums, write_checksums
from airl_cli.data.formats.base import Format, Options, Recording, require
from airl_cli.data.types import Trajectory, TrajectoryWithRew
from airl_cli.errors import InvalidValueError
from airl_cli.files import atomic_folder, read_json

WHAT = "dataset of trajectories"


def read(path: str, options: Options) -> Recording:
    """The episodes of a folder.

    Raises:
        NotFoundError: If `datasets` is not installed.
        InvalidValueError: If the folder is damaged or holds something other than trajectories.
    """
    datasets = require("datasets", "hub", "a Hugging Face dataset")
    verified = verify_checksums(path)
    with validate.explained(path, WHAT):
        if not _data_files(path):  # `datasets` stumbles over its own empty folders
            raise validate.no_episodes(path)
        dataset = datasets.load_from_disk(path)
        if not isinstance(dataset, datasets.Dataset):
            splits = sorted(map(str, dataset))
            raise InvalidValueError(
                f"{path} holds several splits: {', '.join(splits)}.",
                f"Name one of their folders, e.g. {Path(path) / splits[0]}.",
            )
    return Recording(path, HUGGINGFACE.name, episodes(path, dataset), verified=verified)


def write(path: str, recording: Recording, overwrite: bool) -> None:
    """Write a folder that `imitation` and `datasets` read; spaces and metadata have no place."""
    datasets = require("datasets", "hub", "a Hugging Face dataset")
    trajectories = recording.trajectories
    validate.check_uniform("the recording", trajectories)
    for name in ("obs", "acts"):
        shape = getattr(trajectories[0], name).shape[1:]
        if 0 in shape:
            raise InvalidValueError(
                f"{name} of shape {shape} per step cannot be held by a dataset.", "Use format=airl."
            )
    columns: dict[str, Any] = {
        "obs": [t.obs for t in trajectories],
        "acts": [t.acts for t in trajectories],
        "infos": [["{}"] * len(t) for t in trajectories],
        "terminal": [t.terminal for t in trajectories],
    }
    if isinstance(trajectories[0], TrajectoryWithRew):
        columns["rews"] = [t.rews for t in trajectories if isinstance(t, TrajectoryWithRew)]
    with atomic_folder(path, replace=overwrite) as folder:
        with quiet(datasets):
            datasets.Dataset.from_dict(columns).save_to_disk(str(folder))
        write_checksums(folder)


def episodes(source: str, dataset: Any) -> list[Trajectory]:
    """The trajectories in a `datasets.Dataset`.

    Raises:
        InvalidValueError: If columns are missing or hold something other than trajectories.
    """
    missing = {"obs", "acts", "terminal"} - set(dataset.column_names)
    if missing:
        raise InvalidValueError(
            f"{source} has no column {', '.join(sorted(missing))}; it has "
            f"{', '.join(dataset.column_names) or 'none'}.",
            "A dataset of trajectories has one row per episode with obs, acts, terminal, (rews).",
        )
    if len(dataset) == 0:
        raise validate.no_episodes(source)
    with validate.explained(source, WHAT):
        if dataset._indices is not None:  # datasets 5 has no public way to ask
            dataset = dataset.flatten_indices()
        wanted = ("obs", "acts", "terminal", "rews")
        table = dataset.select_columns([n for n in wanted if n in dataset.column_names]).data.table
        table.validate(full=True)  # offsets in a damaged file may point anywhere
    columns = {name: _plain(table.column(name)) for name in table.column_names}
    trajectories = [
        validate.trajectory(
            source,
            index,
            obs=_array(source, index, "obs", columns["obs"][index]),
            acts=_array(source, index, "acts", columns["acts"][index]),
            terminal=_flag(source, index, columns["terminal"][index].as_py()),
            rews=_array(source, index, "rews", columns["rews"][index])
            if "rews" in columns
            else None,
        )
        for index in range(len(dataset))
    ]
    validate.check_uniform(source, trajectories)
    return trajectories


def _data_files(path: str) -> list[str]:
    """Names of the Arrow files of a dataset, which lie in its own folder; of splits, the splits'.

    Raises:
        InvalidValueError: If a name leads elsewhere.
    """
    state = Path(path) / "state.json"
    if not state.is_file():
        return sorted(entry.name for entry in Path(path).iterdir() if entry.is_dir())
    content = read_json(state)
    listed = [content.get(key) for key in ("_data_files", "_indices_files")]
    names = [file["filename"] for files in listed for file in files or []]
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise InvalidValueError(
                f"{path} refers to a file outside of its folder, {name!r:.80}: not read.",
                "Save the dataset again with save_to_disk.",
            )
    return names


def _plain(column: Any) -> Any:
    """An Arrow column with the storage of `datasets`' own types (`Array2D`) in their place."""
    import pyarrow as pa

    if isinstance(column.type, pa.ExtensionType):
        return pa.chunked_array([chunk.storage for chunk in column.chunks])
    return column


def _array(source: str, index: int, name: str, scalar: Any) -> np.ndarray:
    """A nested Arrow list as an array of its own element type."""
    import pyarrow as pa

    lists = (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)
    values = getattr(scalar, "values", None)
    if values is None:
        raise _malformed(source, index, name, "no list of numbers")
    shape = [len(values)]
    while isinstance(values, lists):
        sizes = set(values.value_lengths().to_pylist())
        if len(sizes) > 1 or None in sizes:
            raise _malformed(source, index, name, "rows of different length, or missing ones")
        shape.append(sizes.pop() if sizes else 0)
        values = values.flatten()
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    if values.null_count or not any(is_kind(values.type) for is_kind in kinds):
        raise _malformed(source, index, name, f"missing values, or not numbers ({values.type})")
    return np.array(values.to_numpy(zero_copy_only=False)).reshape(shape)  # not the file's memory


def _flag(source: str, index: int, value: Any) -> bool:
    if value in (True, False, 0, 1):
        return bool(value)
    raise _malformed(source, index, "terminal", f"{value!r:.40} instead of true or false")


def _malformed(source: str, index: int, name: str, problem: str) -> InvalidValueError:
    return InvalidValueError(
        f"{source}: episode {index}, {name}: {problem}.",
        "A row holds obs (T + 1 rows of numbers), acts (T), terminal (a flag) and maybe rews (T).",
    )


@contextmanager
def quiet(datasets: Any) -> Iterator[None]:
    """Without the progress bars of `datasets`."""
    were_on = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if were_on:
            datasets.enable_progress_bars()


HUGGINGFACE = Format(
    "huggingface",
    "a folder of Hugging Face datasets, one row an episode, as imitation saves it",
    read,
    write,
)
