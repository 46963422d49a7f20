"""A trainer's state as two files: tensors in safetensors, everything else in JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from airl_cli.errors import InvalidTypeError, InvalidValueError

Tensors = dict[str, torch.Tensor]

_TENSOR, _FLOAT = "$tensor", "$float"
_MAX_DEPTH = 16


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
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise InvalidValueError(f"{path} is not a readable safetensors file: {error}") from error
