"""Which format a path is in, or is to be written in."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gymnasium.spaces import Space

from airl_cli.data.digest import sha256
from airl_cli.data.formats import arrays as layouts
from airl_cli.data.formats import minari
from airl_cli.data.formats.base import Format, Options, Recording, check_regular
from airl_cli.data.formats.hdf5 import HDF5
from airl_cli.data.formats.huggingface import HUGGINGFACE
from airl_cli.data.formats.minari import MINARI
from airl_cli.data.formats.npz import IMITATION, NPZ
from airl_cli.data.formats.own import OWN
from airl_cli.data.formats.tables import CSV, PARQUET, from_dataframe
from airl_cli.data.types import Trajectory
from airl_cli.errors import InvalidValueError, NotFoundError

if TYPE_CHECKING:
    from pandas import DataFrame

FORMATS: dict[str, Format] = {
    f.name: f for f in (OWN, NPZ, IMITATION, HUGGINGFACE, MINARI, HDF5, CSV, PARQUET)
}
_SUPPORTED = "airl demos --help lists the formats."

_ZIP, _PICKLES = b"PK\x03\x04", tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_OTHER_KINDS = (
    (b"\x93NUMPY", "a single NumPy array", "Save obs, acts and lengths with numpy.savez."),
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
    check_regular(source)
    with source.open("rb") as file:
        begin = file.read(2**16)
    if begin.startswith(_ZIP):
        return _recognise_archive(source)
    if begin[8:9] == b"{":  # a length, and then JSON
        return OWN.name
    if begin.startswith(b"\x89HDF"):
        return HDF5.name
    if begin.startswith(b"PAR1"):
        return PARQUET.name
    if begin.startswith(_PICKLES):
        raise InvalidValueError(
            f"{path} is a pickle, which could run code when it is read.",
            "Pickles are never loaded: load it where it came from, and save the arrays with "
            "numpy.savez or a present version of imitation.",
        )
    for magic, what, remedy in _OTHER_KINDS:
        if begin.startswith(magic):
            raise InvalidValueError(f"{path} is {what}, not a file of trajectories.", remedy)
    if _is_table(begin):
        return CSV.name
    what = "is empty" if not begin else "is in no format that is known here"
    raise InvalidValueError(f"{path} {what}, or damaged at its start.", _SUPPORTED)


def read(path: str | Mapping[str, Any] | DataFrame, **options: Any) -> Recording:
    """The trajectories of a file, folder or `minari:<id>`, of arrays or of a DataFrame.

    Args:
        path: Where they are; or arrays by name in one of the layouts of `arrays`, ragged ones as
            lists or object arrays; or a pandas DataFrame with one row per step.
        **options: Arguments of `Options`, for what leaves something open.

    Raises:
        NotFoundError: If there is nothing there.
        InvalidValueError: If it is damaged, empty, or in no known format.
    """
    chosen = Options(**options)
    if isinstance(path, Mapping):
        return layouts.from_mapping(path, chosen)
    if not isinstance(path, str | Path):
        return from_dataframe(path, chosen)
    path = str(path)
    recording = FORMATS[recognise(path)].read(path, chosen)
    return dataclasses.replace(recording, sha256=sha256(location(path)))


def location(path: str) -> Path:
    """The file or folder of a path, which may be `minari:<id>`."""
    return minari.folder_of(path) if path.startswith(minari.PREFIX) else Path(path)


def check_target(path: str, name: str | None = None, *, overwrite: bool = False) -> str:
    """The format in which `path` will be written; to be asked before long work begins.

    Args:
        path: Where to.
        name: Of the format; None goes by the path: `minari:` for Minari, a suffix for the format
            that has it (`.npz` for this package's own), none for a Hugging Face folder.
        overwrite: Whether something may be there already.

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
    if target.exists() and not overwrite:
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
    overwrite: bool = False,
    observation_space: Space[Any] | None = None,
    action_space: Space[Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write trajectories, whole or not at all.

    Args:
        path: File, folder or `minari:<id>`.
        trajectories: All with rewards, or none.
        format: Name of the format; None goes by `path`.
        overwrite: Replace what is there, once the new file or folder is complete.
        observation_space: Kept where the format has a place for it.
        action_space: Likewise.
        metadata: Likewise; JSON-able.

    Raises:
        InvalidValueError: If the format cannot hold them, or `path` cannot be written.
    """
    chosen = FORMATS[check_target(path, format, overwrite=overwrite)]
    assert chosen.write is not None  # check_target refuses others
    recording = Recording(
        path, chosen.name, trajectories, observation_space, action_space, metadata or {}
    )
    chosen.write(path, recording, overwrite)


def _is_table(begin: bytes) -> bool:
    """Whether a file begins with a line of several names, as a CSV does."""
    try:
        heading = begin.split(b"\n")[0].decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        return False
    return heading.replace("\t", " ").isprintable() and any(mark in heading for mark in ",;\t")


def _recognise_folder(folder: Path) -> str:
    check_regular(folder)
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
