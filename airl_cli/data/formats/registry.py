"""Which format a path is in, or is to be written in."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gymnasium.spaces import Space

from airl_cli.data.digest import sha256
from airl_cli.data.formats import minari
from airl_cli.data.formats.base import Format, Options, Recording
from airl_cli.data.formats.huggingface import HUGGINGFACE
from airl_cli.data.formats.minari import MINARI
from airl_cli.data.formats.npz import IMITATION, NPZ
from airl_cli.data.formats.own import OWN
from airl_cli.data.types import Trajectory
from airl_cli.errors import InvalidValueError, NotFoundError

FORMATS: dict[str, Format] = {f.name: f for f in (OWN, NPZ, IMITATION, HUGGINGFACE, MINARI)}
_SUPPORTED = "airl demos --help lists the formats."

_ZIP, _PICKLES = b"PK\x03\x04", tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_OTHER_KINDS = (
    (b"\x93NUMPY", "a single NumPy array", "Save obs, acts and lengths with numpy.savez."),
    (b"\x89HDF", "an HDF5 file", "Of a Minari dataset, name the folder that holds `data`."),
    (b"PAR1", "a Parquet file", "Load it with `datasets` and save it with save_to_disk."),
)


def recognise(path: str) -> str:
    """The name of the format that a file or folder is in, judged by its content.

    Raises:
        NotFoundError: If there is nothing at `path`.
        InvalidValueError: If it is in none of them; a pickle is named as such.
    """
    source = Path(path)
    if path.startswith(minari.PREFIX):
        return MINARI.name
    if source.is_dir():
        return _recognise_folder(source)
    if not source.exists():
        raise NotFoundError(
            f"there is no file or folder {path}.", "Check the path; ~ and * are not expanded."
        )
    with source.open("rb") as file:
        begin = file.read(9)
    if begin.startswith(_ZIP):
        return _recognise_archive(source)
    if len(begin) == 9 and begin[8:] == b"{":  # a length, and then JSON
        return OWN.name
    if begin.startswith(_PICKLES):
        raise InvalidValueError(
            f"{path} is a pickle, which could run code when it is read.",
            "Pickles are never loaded: load it where it came from, and save the arrays with "
            "numpy.savez or a present version of imitation.",
        )
    for magic, what, remedy in _OTHER_KINDS:
        if begin.startswith(magic):
            raise InvalidValueError(f"{path} is {what}, not a file of trajectories.", remedy)
    what = "is empty" if not begin else "is in no format that is known here"
    raise InvalidValueError(f"{path} {what}, or damaged at its start.", _SUPPORTED)


def read(path: str, **options: Any) -> Recording:
    """The trajectories of a file, folder or `minari:<id>`.

    Args:
        path: Where they are.
        **options: Arguments of `Options`, for files that leave something open.

    Raises:
        NotFoundError: If there is nothing there.
        InvalidValueError: If it is damaged, empty, or in no known format.
    """
    recording = FORMATS[recognise(path)].read(path, Options(**options))
    return dataclasses.replace(recording, sha256=sha256(location(path)))


def location(path: str) -> Path:
    """The file or folder of a path, which may be `minari:<id>`."""
    return minari.folder_of(path) if path.startswith(minari.PREFIX) else Path(path)


def check_target(path: str, name: str | None = None) -> str:
    """The format in which `path` will be written; to be asked before long work begins.

    Args:
        path: Where to.
        name: Of the format; None goes by the path: `minari:` for Minari, a suffix for the format
            that has it (`.npz` for this package's own), none for a Hugging Face folder.

    Raises:
        InvalidValueError: If there is no such format, the path says none, or something is there.
    """
    suffix = Path(path).suffix
    if name is None:
        if path.startswith(minari.PREFIX):
            name = MINARI.name
        else:
            by_suffix = (f.name for f in FORMATS.values() if suffix in f.suffixes)
            name = next(by_suffix, None if suffix else HUGGINGFACE.name)
    written = [f.name for f in FORMATS.values() if f.write is not None]
    if name not in written:
        raise InvalidValueError(
            f"{path} does not say in which format to write."
            if name is None
            else f"there is no format {name!r}.",
            f"Set format to one of {', '.join(written)}.",
        )
    target = minari.folder_of(path) if name == MINARI.name else Path(path)
    if target.exists():
        raise InvalidValueError(f"{path} exists already.", "Choose another name, or remove it.")
    suffixes = FORMATS[name].suffixes
    if suffixes and suffix not in suffixes:
        raise InvalidValueError(
            f"{path} does not end in {' or '.join(suffixes)}.", f"Write {path}{suffixes[0]}."
        )
    return name


def write(
    path: str,
    trajectories: Sequence[Trajectory],
    *,
    format: str | None = None,
    observation_space: Space[Any] | None = None,
    action_space: Space[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write trajectories, whole or not at all.

    Args:
        path: File, folder or `minari:<id>`.
        trajectories: All with rewards, or none.
        format: Name of the format; None goes by `path`.
        observation_space: Kept where the format has a place for it.
        action_space: Likewise.
        metadata: Likewise; JSON-able.

    Raises:
        InvalidValueError: If the format cannot hold them, or `path` cannot be written.
    """
    chosen = FORMATS[check_target(path, format)]
    assert chosen.write is not None  # check_target refuses others
    chosen.write(
        path,
        Recording(path, chosen.name, trajectories, observation_space, action_space, metadata or {}),
    )


def _recognise_folder(folder: Path) -> str:
    names = {entry.name for entry in folder.iterdir()}
    if names & {"dataset_info.json", "dataset_dict.json", "state.json"}:
        return HUGGINGFACE.name
    if (folder / "data" / "metadata.json").is_file():
        return MINARI.name
    raise InvalidValueError(
        f"{folder} is neither a saved Hugging Face dataset nor a Minari dataset.",
        f"It holds {', '.join(sorted(names)[:5]) or 'nothing'}. {_SUPPORTED}",
    )


def _recognise_archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InvalidValueError(
            f"{path} is truncated or damaged: {error}.", "Make or download it again."
        ) from error
    if "header.npy" in names:
        return OWN.name
    if "policy.pth" in names:
        raise InvalidValueError(
            f"{path} is a Stable-Baselines3 model, not a file of trajectories.",
            f"Sample it: expert=checkpoint expert.path={path} expert.algo=ppo.",
        )
    return IMITATION.name if "indices.npy" in names else NPZ.name
