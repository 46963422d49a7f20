"""Runs on the Hugging Face Hub: `hf://owner/name`, optionally with `@revision`."""

from __future__ import annotations

import logging
import os
import re
import shutil
from pathlib import Path

from airl_cli.errors import InvalidValueError, NotFoundError, one_line
from airl_cli.files import atomic_folder
from airl_cli.runs import layout

SCHEME = "hf://"
CARD = "README.md"
_FRONT = b"library_name: airl-cli"  # how a card begins, after a line of dashes
_WEIGHTS = tuple(
    f"{layout.CHECKPOINTS}/{layout.FINAL}/{name}"
    for name in (layout.POLICY_WEIGHTS, layout.REWARD_WEIGHTS)
)
_FILES = (
    *(layout.CONFIG, layout.SPACES, layout.STATUS, layout.ENVIRONMENT, layout.PROVENANCE),
    *(layout.METRICS, layout.EVALUATION, layout.RESULT, layout.REWARD_REPORT, *_WEIGHTS),
)
PATTERNS = (
    *(CARD, layout.MANIFEST, *_FILES),
    *(f"{layout.PLOTS}/*.png", f"{layout.VIDEOS}/*.mp4"),
)
"""What a published run may hold; everything else in a repository is left there."""

_MAX_BYTES = 2**30
_MAX_FILES = 200
_REPO = re.compile(r"[\w][\w.-]{0,95}/[\w][\w.-]{0,95}", re.ASCII)


def check_repo(repo: str) -> str:
    """The name of a repository, as it is.

    Raises:
        InvalidValueError: If it is none.
    """
    if not _REPO.fullmatch(repo) or ".." in repo or "--" in repo:
        raise InvalidValueError(
            f"repo={repo!r} is no name of a repository.",
            "Write owner/name, e.g. ada/cartpole-airl.",
        )
    return repo


def local_run(path: str | Path) -> Path:
    """A run directory on this machine; one of the hub is fetched first.

    Args:
        path: A directory, or `hf://owner/name`, perhaps with `@revision` (branch, tag, commit).

    Raises:
        NotFoundError: If the repository can neither be downloaded nor found in the hub's cache.
        InvalidValueError: If it is no name of a repository, or too large.
    """
    text = str(path)
    if not text.startswith(SCHEME):
        return Path(path)
    repo, _, revision = text.removeprefix(SCHEME).partition("@")
    snapshot = _snapshot(check_repo(repo), revision or None)
    target = _cache() / repo.replace("/", "--") / snapshot.name
    if not target.is_dir():
        _copy(snapshot, target, text)
    return target


def is_published(folder: Path) -> bool:
    """Whether `airl publish` made a folder: a copy of a run, with a model card."""
    try:
        with (folder / CARD).open("rb") as file:
            return _FRONT in file.read(len(_FRONT) + 8)
    except OSError:
        return False


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "airl-cli" / "hub"


def _snapshot(repo: str, revision: str | None) -> Path:
    # Here, as they import torch, which airl list and airl report do without.
    from airl_cli.data.formats.base import require
    from airl_cli.quiet import quiet_loggers

    hub = require("huggingface_hub", "hub", f"{SCHEME}{repo}")
    try:
        with quiet_loggers("huggingface_hub", level=logging.ERROR):
            found = hub.snapshot_download(repo, revision=revision, allow_patterns=list(PATTERNS))
    except Exception as error:  # the hub, the network and the cache raise dozens of kinds
        raise NotFoundError(
            f"{SCHEME}{repo} can neither be downloaded nor found in the hub's cache: "
            f"{one_line(error)}.",
            "Check the name and the network; without one, fetch it once on a machine that has, and "
            "copy its cache to HF_HOME here.",
        ) from error
    return Path(found)


def _copy(snapshot: Path, target: Path, text: str) -> None:
    """Regular files in place of the links into its cache that the hub's library makes."""
    blobs = snapshot.parents[1].resolve()  # snapshots/<commit> and blobs/ lie side by side
    files = sorted({path for pattern in PATTERNS for path in snapshot.glob(pattern)})
    for path in files:
        if not path.is_file() or not path.resolve().is_relative_to(blobs):
            raise InvalidValueError(
                f"{text}: {path.name} leads out of the hub's cache.", "Use another repository."
            )
    if len(files) > _MAX_FILES or sum(path.stat().st_size for path in files) > _MAX_BYTES:
        raise InvalidValueError(
            f"{text} holds more than {_MAX_FILES} files or {_MAX_BYTES / 2**30:.0f} GiB.",
            "A published run is smaller: use another repository.",
        )
    with atomic_folder(target) as folder:
        for path in files:
            copy = folder / path.relative_to(snapshot)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
