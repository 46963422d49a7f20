"""Files that outlive a process: written whole or not at all, and read without executing anything.

Weights are safetensors, everything else is JSON. Nothing here pickles or unpickles.
"""

import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import nn

from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError

MAX_JSON_BYTES = 16 * 2**20
"""Larger JSON files than this (bytes) are not ours: configs and results are kilobytes."""

_FILE_MODE = 0o666

# How safetensors spells the element types.
_DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@contextmanager
def atomic_write(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under `path` complete, when the block ends without an error.

    The temporary file lies in the same folder (a rename is atomic only within one file system)
    and is removed when the block raises; what was under `path` before then stays untouched.

    Raises:
        InvalidValueError: If the folder cannot be created or written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise InvalidValueError(
            f"cannot write {target}: {error.strerror or error}",
            "Choose a folder that can be written.",
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _FILE_MODE & ~_current_umask())  # mkstemp makes files private
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _current_umask() -> int:
    # Linux says it without changing it; elsewhere the cautious usual value.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o022


def to_jsonable(value: Any) -> Any:
    """`value` in JSON's own types.

    NumPy scalars and arrays, paths, tuples, mappings and dataclasses are converted. NaN and
    infinity become None: JSON has no word for them, and readers other than Python's refuse them.

    Raises:
        InvalidTypeError: If a value has no JSON form.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.ndarray):
        return to_jsonable(value.tolist())
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [to_jsonable(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise InvalidTypeError(f"a {type(value).__name__} cannot be written as JSON: {value!r}")


def write_json(path: str | Path, obj: Any) -> None:
    """Write `obj` as sorted, indented JSON, atomically; NaN and infinity become null."""
    text = json.dumps(to_jsonable(obj), indent=2, sort_keys=True, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: str | Path, *, max_bytes: int = MAX_JSON_BYTES) -> Any:
    """Read a JSON file of bounded size.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is larger than `max_bytes` or not JSON.
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise NotFoundError(f"cannot read {source}: {error.strerror or error}") from error
    if len(raw) > max_bytes:
        raise InvalidValueError(f"{source} is larger than {max_bytes} bytes: not read")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f"{source} is not valid JSON: {error}") from error


def save_weights(module: nn.Module, path: str | Path) -> None:
    """Write all parameters and buffers of `module` as safetensors, atomically, on any device."""
    save_state(module.state_dict(), path)


def save_state(state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Write named tensors (a `state_dict`) as safetensors, atomically."""
    # Modules may share tensors under two names (SB3's feature extractors do); safetensors wants
    # every tensor to own its memory, and a copy is simpler to read back than an alias table.
    owned = {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}
    with atomic_write(path) as file:
        file.write(safetensors_bytes(owned, metadata={"format": "pt"}))


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Fill `module` in place with weights that `save_weights` wrote for one of the same shape.

    Names, shapes and element types are compared before a tensor is read: the module is either
    filled completely or left as it was.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If the file is no safetensors file, or does not fit; names the first
            differing tensor with both shapes.
    """
    source = Path(path)
    if not source.is_file():
        raise NotFoundError(f"there are no weights at {source}")
    wanted = module.state_dict()
    try:
        with safe_open(source, framework="pt", device="cpu") as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            _check_fits(
                {name: (tuple(t.shape), _DTYPE_NAMES.get(t.dtype)) for name, t in wanted.items()},
                {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in found.items()},
                source,
            )
            tensors = {name: file.get_tensor(name) for name in wanted}
    except (SafetensorError, OSError) as error:
        raise InvalidValueError(f"{source} is not a readable safetensors file: {error}") from error
    module.load_state_dict(tensors)


def fill_module(module: nn.Module, tensors: Mapping[str, torch.Tensor], source: str | Path) -> None:
    """Fill `module` in place with tensors of the same names, shapes and element types, or not.

    Args:
        module: What to fill.
        tensors: As in a `state_dict`.
        source: Where they come from, for messages.

    Raises:
        InvalidValueError: If they do not fit; names the first differing tensor with both shapes.
    """
    wanted, found = (
        {name: (tuple(t.shape), _DTYPE_NAMES.get(t.dtype)) for name, t in state.items()}
        for state in (module.state_dict(), tensors)
    )
    _check_fits(wanted, found, Path(source))
    module.load_state_dict(dict(tensors))


_Form = tuple[tuple[int, ...], str | None]


def _check_fits(wanted: Mapping[str, _Form], found: Mapping[str, _Form], source: Path) -> None:
    remedy = "The weights belong to a net of another structure: use the config that made them."
    for name, form in wanted.items():
        if name not in found:
            raise InvalidValueError(f"{source} lacks the tensor {name!r} {form[0]}", remedy)
        if found[name] != form:
            raise InvalidValueError(
                f"{source}: tensor {name!r} is {found[name][0]} {found[name][1]}, "
                f"the net has {form[0]} {form[1]}",
                remedy,
            )
    for name in found:
        if name not in wanted:
            raise InvalidValueError(
                f"{source} has a tensor {name!r} {found[name][0]} that the net lacks", remedy
            )
