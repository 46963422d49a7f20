"""Whether a run directory's config was recorded by this user, on this machine.

Then the packages of its environment were the user's own choice, and need no `trust` a second time;
those of reward nets and other parts are named again wherever a run is read.
What is recorded beside the config is an HMAC (RFC 2104) with a key that never leaves the user's
state folder; it covers the config and the files that these packages are imported from, so that
neither an edited config nor another package of the same name passes for what was chosen.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from airl_cli.errors import AirlError
from airl_cli.files import MAX_JSON_BYTES, atomic_write, read_regular
from airl_cli.runs import layout
from airl_cli.runs.vocabulary import PACKAGES, Received, not_too_deep

_KEY_BYTES = 32
_MAX_SIGNATURE_BYTES = 64


def sign(run: Path) -> None:
    """Records that the config of a run directory is the user's own; without a key, nothing."""
    config = (run / layout.CONFIG).read_bytes()
    with suppress(OSError), atomic_write(run / layout.SIGNATURE) as file:
        file.write(_signature(config, _key(make=True)).encode())


def reader_of(run: Path, named: Sequence[str] = (), typed_cache: str | None = None) -> Received:
    """How the config of a run directory is read.

    Args:
        run: The directory.
        named: Packages that the user trusts by name.
        typed_cache: As for `Received`.

    Returns:
        A reader that trusts these packages, and those of the environment where the config is the
        user's own.
    """
    return Received((*named, *_own_packages(run)), typed_cache)


def _own_packages(run: Path) -> Sequence[str]:
    try:
        config = read_regular(run / layout.CONFIG, MAX_JSON_BYTES)
        recorded = read_regular(run / layout.SIGNATURE, _MAX_SIGNATURE_BYTES)
        if hmac.compare_digest(recorded, _signature(config, _key()).encode()):
            return _packages(config)
    except (AirlError, OSError, ValueError, RecursionError, AttributeError):
        pass  # not signed, or damaged
    return ()


def _signature(config: bytes, key: bytes) -> str:
    homes = json.dumps({name: _home(name) for name in _packages(config)})
    return hmac.new(key, homes.encode() + b"\0" + config, hashlib.sha256).hexdigest()


def _key(*, make: bool = False) -> bytes:
    """The user's key.

    Raises:
        OSError: If there is none, and none can be made.
    """
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    path = state / "airl-cli" / "key"
    if make and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another process was faster
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise OSError(f"{path} is damaged")
    return key


def _packages(config: bytes) -> list[str]:
    """Top-level packages that a config's environment names, but for those of the vocabulary."""
    env = not_too_deep(json.loads(config)).get("env")
    found = {name.split(".")[0] for name in _module_names(env)}
    return sorted(name for name in found - set(PACKAGES) if name.isidentifier())


def _module_names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _module_names(item)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        if not isinstance(value, str):
            yield from _module_names(value)
        elif key in ("_target_", "path", "import_module"):
            yield value
        elif key == "id":
            yield value.rpartition(":")[0]


def _home(package: str) -> str | None:
    """Where a package would be imported from; it is not imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return spec.origin or ",".join(spec.submodule_search_locations or ())
