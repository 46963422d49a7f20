"""Weights that outlive a process, as safetensors; what else is written is JSON (`files`).

Nothing here pickles or unpickles.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import nn

from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.files import MAX_JSON_BYTES, atomic_write, read_json, to_jsonable, write_json

__all__ = [
    "MAX_JSON_BYTES",
    "atomic_write",
    "fill_module",
    "load_weights",
    "read_json",
    "save_state",
    "save_weights",
    "to_jsonable",
    "write_json",
]

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
