"""What a folder held when it was complete: name, size and SHA-256 of every file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from airl_cli.data.digest import sha256
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.runs.layout import MANIFEST
from airl_cli.serialization import read_json, write_json
from airl_cli.text import printable

FORMAT = 1
_MAX_FILES, _MAX_FILES_OF_A_RUN = 64, 10_000


def write_manifest(folder: Path, files: Iterable[Path] | None = None) -> None:
    """Lists files of a folder, the last step of writing it.

    Args:
        folder: Of the manifest.
        files: In the folder or below; None: all that lie directly in it.
    """
    listed = folder.iterdir() if files is None else files
    paths = sorted(path for path in listed if path.name != MANIFEST)
    entries = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in paths
    }
    write_json(folder / MANIFEST, {"format": FORMAT, "files": entries})


def check_manifest(folder: Path, required: Collection[str]) -> None:
    """Compares a folder with its manifest.

    Only plain files directly in the folder are looked at: a manifest that leads elsewhere, by a
    path or a link, does not hold.

    Args:
        folder: Of a manifest.
        required: Files that must be listed.

    Raises:
        InvalidValueError: If it does not hold; says why.
    """
    entries = _read(folder, _MAX_FILES)
    if not set(required) <= set(entries):
        raise InvalidValueError(f"the manifest of {folder} does not list what belongs to it")
    for name, entry in entries.items():
        if Path(name).name != name or folder.is_symlink():
            raise InvalidValueError(f"the manifest of {folder} leads out of it: {name[:80]!r}")
        reason = _difference(folder / name, entry)
        if reason:
            raise InvalidValueError(f"{folder / name} {reason}")


def differing_files(folder: Path) -> list[str]:
    """Files below a folder that are not as its manifest says, with the reason.

    Raises:
        InvalidValueError: If the manifest is damaged, or leads out of the folder.
    """
    found = []
    for name, entry in sorted(_read(folder, _MAX_FILES_OF_A_RUN).items()):
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/") or len(name) > 1000:
            raise InvalidValueError(f"the manifest of {folder} leads out of it: {name[:80]!r}")
        reason = _difference(folder / name, entry)
        if reason:
            found.append(f"{printable(name, 200)}: {reason}")
    return found


def _read(folder: Path, at_most: int) -> dict[str, Any]:
    try:
        content = read_json(folder / MANIFEST, max_bytes=2**22)
    except AirlError as error:
        raise InvalidValueError(f"{folder} has no readable manifest") from error
    entries = content.get("files") if isinstance(content, dict) else None
    if not isinstance(entries, dict) or content.get("format") != FORMAT:
        raise InvalidValueError(f"the manifest of {folder} is damaged")
    if len(entries) > at_most:
        raise InvalidValueError(f"the manifest of {folder} lists more than {at_most} files")
    return entries


def _difference(path: Path, entry: object) -> str:
    """How a file differs from its entry; empty if it does not."""
    if path.is_symlink() or not os.path.isfile(path):
        return "is missing"
    if not isinstance(entry, dict) or path.stat().st_size != entry.get("bytes"):
        return "has another size than when it was written"
    if sha256(path) != entry.get("sha256"):
        return "is damaged: its SHA-256 has changed"
    return ""
