"""Weights and states that outlive a process: tensors as safetensors, everything else as JSON.

Nothing here pickles or unpickles.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from safetensors.torch import save_file
from torch import nn

from airl_cli.errors import InvalidTypeError, InvalidValueError, NotFoundError
from airl_cli.files import (
    CONFIG,
    FINAL_WEIGHTS,
    MAX_JSON_BYTES,
    POLICY_WEIGHTS,
    RESULT,
    REWARD_WEIGHTS,
    SPACES,
    atomic_write,
    read_json,
    to_jsonable,
    write_json,
)
from airl_cli.text import printable

__all__ = [
    "CONFIG",
    "FINAL_WEIGHTS",
    "MAX_JSON_BYTES",
    "POLICY_WEIGHTS",
    "RESULT",
    "REWARD_WEIGHTS",
    "SPACES",
    "atomic_write",
    "fill_module",
    "join",
    "load_weights",
    "read_json",
    "read_tensors",
    "save_state",
    "save_weights",
    "split",
    "to_jsonable",
    "write_json",
    "write_tensors",
]

Tensors = dict[str, torch.Tensor]

_TENSOR, _FLOAT = "$tensor", "$float"
_MAX_DEPTH = 16

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
        InvalidValueError: If the file is no safetensors file, or does not fit (names the first
            differing tensor with both shapes), or holds NaN or infinity.
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
    _check_finite(tensors, source)
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
    _check_finite(tensors, Path(source))
    module.load_state_dict(dict(tensors))


def _check_finite(tensors: Mapping[str, torch.Tensor], source: Path) -> None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InvalidValueError(
                f"{source}: NaN or infinity in the weights {printable(name)}.",
                "Use weights that were saved before the training diverged.",
            )


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


def split(tree: Any, path: str = "") -> tuple[Any, Tensors]:
    """The JSON part of a tree, and its tensors by their path in it.

    Args:
        tree: Mappings with string keys; leaves are tensors, arrays, numbers, texts, None, or
            lists of these.
        path: Where `tree` lies in the whole.

    Raises:
        InvalidTypeError: For a leaf of another kind.
    """
    if isinstance(tree, (torch.Tensor, np.ndarray)):
        tensor = torch.as_tensor(tree).detach().cpu()
        return {_TENSOR: path}, {path: tensor}
    if isinstance(tree, Mapping):
        parts = {key: split(value, f"{path}/{key}".lstrip("/")) for key, value in tree.items()}
        tensors = {name: t for _, found in parts.values() for name, t in found.items()}
        return {key: part for key, (part, _) in parts.items()}, tensors
    if isinstance(tree, (list, tuple)):
        return [_plain(item, path) for item in tree], {}
    return _plain(tree, path), {}


def _plain(leaf: Any, path: str) -> Any:
    if isinstance(leaf, np.generic):
        leaf = leaf.item()
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return {_FLOAT: str(leaf)}
    if leaf is None or isinstance(leaf, (bool, int, float, str)):
        return leaf
    if isinstance(leaf, Mapping):
        return {key: _plain(value, f"{path}/{key}") for key, value in leaf.items()}
    if isinstance(leaf, (list, tuple)):
        return [_plain(item, path) for item in leaf]
    raise InvalidTypeError(f"a {type(leaf).__name__} cannot be kept in a checkpoint: {path}")


def join(part: Any, tensors: Mapping[str, torch.Tensor], depth: int = 0) -> Any:
    """The tree that `split` took apart.

    Raises:
        InvalidValueError: If the parts do not belong together.
    """
    if depth > _MAX_DEPTH:
        raise InvalidValueError(f"the state is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(part, list):
        return [join(item, tensors, depth + 1) for item in part]
    if not isinstance(part, Mapping):
        return part
    if set(part) == {_FLOAT}:
        if part[_FLOAT] not in ("nan", "inf", "-inf"):
            raise InvalidValueError("the state holds a number that is none")
        return float(part[_FLOAT])
    if set(part) == {_TENSOR}:
        if part[_TENSOR] not in tensors:
            raise InvalidValueError(f"the state lacks the tensor {str(part[_TENSOR])[:80]!r}")
        return tensors[part[_TENSOR]]
    return {str(key): join(value, tensors, depth + 1) for key, value in part.items()}


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Writes tensors as safetensors; not atomically: the folder around it is."""
    save_file(dict(_owned(tensors)), path, metadata={"format": "pt"})


def _owned(tensors: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor with memory of its own: the format knows no sharing."""
    seen: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        where = tensor.untyped_storage().data_ptr()
        yield name, tensor.clone() if where in seen else tensor
        seen.add(where)


def read_tensors(path: Path) -> Tensors:
    """All tensors of a safetensors file, in memory of their own.

    The format's header is checked against the size of the file before anything is allocated.

    Raises:
        InvalidValueError: If it is none.
    """
    if not path.is_file():
        raise NotFoundError(f"there are no tensors at {path}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise InvalidValueError(f"{path} is not a readable safetensors file: {error}") from error
