"""A finished run as a folder for the Hugging Face Hub, and its way there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airl_cli.data.formats.base import require
from airl_cli.errors import InvalidValueError, NotFoundError, RunFailedError, one_line
from airl_cli.files import atomic_folder, read_json, write_json
from airl_cli.runs import layout
from airl_cli.runs.card import model_card
from airl_cli.runs.hub import CARD, PATTERNS, check_repo
from airl_cli.runs.layout import MANIFEST
from airl_cli.runs.loading import LoadedRun
from airl_cli.runs.manifest import differing_files
from airl_cli.runs.verify import write_run_manifest


def export(run: LoadedRun, folder: Path, repo: str) -> list[str]:
    """Writes what others need of a run into a new folder: a model card, JSON, safetensors, plots.

    Checkpoints for resuming, logs and whatever else lies in the run stay behind. Of the record,
    the home folder's name becomes `~`; the manifest is that of the folder.

    Args:
        run: A finished run.
        folder: Where to; it must not exist.
        repo: What the repository will be called.

    Returns:
        The names of the files.

    Raises:
        InvalidValueError: If the run did not finish, is not as its manifest says, or the folder
            exists.
    """
    check_repo(repo)
    if run.result is None:
        raise InvalidValueError(
            f"{run.path} did not finish.", f"Resume it first: airl train resume={run.path}"
        )
    layout.refuse_links(run.path)
    _check_unchanged(run.path)
    with atomic_folder(folder) as made:
        for name in _present(run.path):
            target = made / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix == ".json":
                write_json(target, _without_home(read_json(run.path / name)))
            else:
                shutil.copyfile(run.path / name, target)
        (made / CARD).write_text(model_card(run, made, repo), encoding="utf-8")
        write_run_manifest(made)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def upload(folder: Path, repo: str, *, private: bool) -> str:
    """Uploads a folder in one commit: all of it or nothing.

    Args:
        folder: Made by `export`.
        repo: Its name; made where there is none.
        private: Whether a new repository is.

    Returns:
        The address of the repository.

    Raises:
        NotFoundError: If `huggingface_hub` is not installed.
        InvalidValueError: If there is no token.
        RunFailedError: If the hub refuses, or cannot be reached.
    """
    hub = require("huggingface_hub", "hub", "airl publish")
    if hub.get_token() is None:
        raise InvalidValueError(
            f"there is no token for the hub; the folder {folder} is complete.",
            f"Log in with `hf auth login`, then: {upload_command(folder, repo, private=private)}",
        )
    api = hub.HfApi()
    try:
        address = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo, folder_path=str(folder), commit_message="Published by airl-cli"
        )
    except Exception as error:  # the hub and the network raise dozens of kinds
        raise RunFailedError(
            f"{repo} could not be uploaded: {one_line(error)}; the folder {folder} is complete.",
            f"Later: {upload_command(folder, repo, private=private)}",
        ) from error
    return str(address)


def upload_command(folder: Path, repo: str, *, private: bool) -> str:
    """What to type to upload a folder."""
    return f"hf upload {repo} {folder}{' --private' if private else ''}"


def _present(run: Path) -> Iterator[str]:
    for pattern in PATTERNS:
        if pattern not in (CARD, MANIFEST):
            for path in sorted(run.glob(pattern)):
                if path.is_file() and not path.is_symlink():
                    yield path.relative_to(run).as_posix()


def _check_unchanged(run: Path) -> None:
    if not (run / MANIFEST).is_file():
        raise NotFoundError(
            f"{run} has no {MANIFEST}: an earlier edition wrote it.",
            "Train it again, or share its directory as it is.",
        )
    published = set(_present(run))
    found = [line for line in differing_files(run) if line.partition(":")[0] in published]
    if found:
        raise InvalidValueError(
            f"{run} is not as it was when the run finished: {found[0]}.",
            "airl verify lists all differences; publish a run that has none.",
        )


def _without_home(value: Any) -> Any:
    """A JSON value whose texts do not name the user's home folder."""
    if isinstance(value, str):
        return value.replace(str(Path.home()), "~") if len(str(Path.home())) > 1 else value
    if isinstance(value, Mapping):
        return {key: _without_home(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_home(item) for item in value]
    return value
