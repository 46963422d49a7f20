"""What a folder held when it was complete: name, size and SHA-256 of every file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from airl_cli.data.digest import sha256
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.serialization import read_json, write_json

MANIFEST = "manifest.json"
FORMAT = 1
_MAX_FILES = 64


def write_manifest(folder: Path) -> None:
    """Lists all files of a folder, the last step of writing it."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    entries = {p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in files}
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
    try:
        content = read_json(folder / MANIFEST, max_bytes=2**16)
    except AirlError as error:
        raise InvalidValueError(f"{folder} has no readable manifest") from error
    entries = content.get("files") if isinstance(content, dict) else None
    if not isinstance(entries, dict) or content.get("format") != FORMAT:
        raise InvalidValueError(f"the manifest of {folder} is damaged")
    if len(entries) > _MAX_FILES or not set(required) <= set(entries):
        raise InvalidValueError(f"the manifest of {folder} does not list what belongs to it")
    for name, entry in entries.items():
        _check_file(folder, name, entry)


def _check_file(folder: Path, name: str, entry: object) -> None:
    path = folder / name
    if Path(name).name != name or folder.is_symlink() or path.is_symlink():
        raise InvalidValueError(f"the manifest of {folder} leads out of it: {name[:80]!r}")
    if not path.is_file():
        raise InvalidValueError(f"{path} is missing")
    if not isinstance(entry, dict) or path.stat().st_size != entry.get("bytes"):
        raise InvalidValueError(f"{path} has another size than when it was written")
    if sha256(path) != entry.get("sha256"):
        raise InvalidValueError(f"{path} is damaged: its SHA-256 has changed")
