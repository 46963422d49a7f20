"""Which format a path is in, or is to be written in."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gymnasium.spaces import Space

from airl_cli.data.formats import arrays, huggingface, imitation, minari, own
from airl_cli.data.formats.base import Format, Recording
from airl_cli.data.types import Trajectory
from airl_cli.errors import InvalidValueError, NotFoundError

FORMATS: dict[str, Format] = {
    module.NAME: module for module in (own, arrays, imitation, huggingface, minari)
}
_FOLDERS = (huggingface.NAME, minari.NAME)
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
        return minari.NAME
    if source.is_dir():
        return _recognise_folder(source)
    if not source.exists():
        raise NotFoundError(
            f"there is no file or folder {path}.", "Check the path; ~ and * are not expanded."
        )
    with source.open("rb") as file:
        begin = file.read(8)
    if begin.startswith(_ZIP):
        return _recognise_archive(source)
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


def read(path: str) -> Recording:
    """The trajectories of a file, folder or `minari:<id>`.

    Raises:
        NotFoundError: If there is nothing there.
        InvalidValueError: If it is damaged, empty, or in no known format.
    """
    return FORMATS[recognise(path)].read(path)


def check_target(path: str, name: str | None = None) -> str:
    """The format in which `path` will be written; to be asked before long work begins.

    Args:
        path: Where to.
        name: Of the format; None goes by the path: `minari:` for Minari, `.npz` for this package's
            own, no ending for a Hugging Face folder.

    Raises:
        InvalidValueError: If there is no such format, the path says none, or something is there.
    """
    if name is None:
        if path.startswith(minari.PREFIX):
            name = minari.NAME
        elif Path(path).suffix == ".npz":
            name = own.NAME
        elif not Path(path).suffix:
            name = huggingface.NAME
    if name not in FORMATS:
        raise InvalidValueError(
            f"{path} does not say in which format to write." if name is None else
            f"there is no format {name!r}.",
            f"Set format to one of {', '.join(FORMATS)}.",
        )  # fmt: skip
    is_folder = name in _FOLDERS
    taken = minari.folder_of(path).exists() if name == minari.NAME else Path(path).exists()
    if taken:
        raise InvalidValueError(f"{path} exists already.", "Choose another name, or remove it.")
    if not is_folder and Path(path).suffix != ".npz":
        raise InvalidValueError(f"{path} does not end in .npz.", f"Write {path}.npz.")
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
    FORMATS[check_target(path, format)].write(
        path,
        trajectories,
        observation_space=observation_space,
        action_space=action_space,
        metadata=metadata or {},
    )


def _recognise_folder(folder: Path) -> str:
    names = {entry.name for entry in folder.iterdir()}
    if names & {"dataset_info.json", "dataset_dict.json", "state.json"}:
        return huggingface.NAME
    if (folder / "data" / "metadata.json").is_file():
        return minari.NAME
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
        return own.NAME
    if "policy.pth" in names:
        raise InvalidValueError(
            f"{path} is a Stable-Baselines3 model, not a file of trajectories.",
            f"Sample it: expert=checkpoint expert.path={path} expert.algo=ppo.",
        )
    return imitation.NAME if "indices.npy" in names else arrays.NAME
