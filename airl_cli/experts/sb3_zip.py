"""What is in a model that Stable-Baselines3 saved, without running what is in it.

Such a `.zip` holds `policy.pth` (a `state_dict`) and `data`: JSON in which everything that JSON
cannot hold is a pickle, with a readable text beside it. Here the tensors are loaded by torch's
loader for tensors alone, the numbers and texts in the JSON are read, and no pickle is.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import stable_baselines3.common.torch_layers
import torch

from airl_cli import features
from airl_cli.data.formats.npz import check_inflation
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError

_MAX_JSON_BYTES = 2**26
_POLICY = "policy.pth"
_CLASS = re.compile(r"<class '([\w.]+)\.(\w+)'>")

# Where classes that a policy's settings name may come from; only these attributes are looked up.
_PLACES = {
    "torch.nn.modules.activation": torch.nn,
    "stable_baselines3.common.torch_layers": stable_baselines3.common.torch_layers,
    "imitation.policies.base": features,
}
_SETTINGS = ("use_sde",)


@dataclass(frozen=True)
class SavedModel:
    """The harmless part of a saved model.

    Attributes:
        tensors: The policy's `state_dict`.
        policy_kwargs: As far as they can be read without unpickling.
        settings: Arguments of the algorithm that change the policy's structure.
    """

    tensors: Mapping[str, torch.Tensor]
    policy_kwargs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_model(path: str | Path) -> SavedModel:
    """Read a model's tensors and readable settings.

    Raises:
        NotFoundError: If there is no such file.
        InvalidValueError: If it is damaged, no such model, or its weights are not just tensors.
    """
    source = Path(path)
    if not source.is_file():
        raise NotFoundError(f"there is no model {source}.", "Check expert.path.")
    try:
        with zipfile.ZipFile(source) as archive:
            if _POLICY not in archive.namelist():
                raise InvalidValueError(
                    f"{source} is no Stable-Baselines3 model: it has no {_POLICY}.",
                    "Give a .zip that the algorithm's save() wrote.",
                )
            check_inflation(archive.getinfo(_POLICY), source)
            weights = archive.read(_POLICY)  # compares the checksum
            _check_inner(weights, source)
            data = _read_json(archive)
    except AirlError:
        raise
    except Exception as error:  # zipfile raises many kinds on damaged bytes
        reason = str(error) or type(error).__name__
        raise InvalidValueError(
            f"{source} is truncated or damaged: {reason}.", "Save or download it again."
        ) from error
    return SavedModel(
        tensors=_read_tensors(source, weights),
        policy_kwargs=_readable(data.get("policy_kwargs")),
        settings={k: data[k] for k in _SETTINGS if isinstance(data.get(k), bool)},
    )


def _check_inner(weights: bytes, source: Path) -> None:
    """The tensors lie in an archive of their own."""
    if zipfile.is_zipfile(io.BytesIO(weights)):
        with zipfile.ZipFile(io.BytesIO(weights)) as inner:
            for info in inner.infolist():
                check_inflation(info, source)


def _read_json(archive: zipfile.ZipFile) -> dict[str, Any]:
    if "data" not in archive.namelist() or archive.getinfo("data").file_size > _MAX_JSON_BYTES:
        return {}
    data = json.loads(archive.read("data"))
    return data if isinstance(data, dict) else {}


def _read_tensors(source: Path, weights: bytes) -> Mapping[str, torch.Tensor]:
    try:
        state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    except Exception as error:  # UnpicklingError for what is forbidden, others for damage
        raise InvalidValueError(
            f"{source}: {_POLICY} holds something other than tensors, which is not loaded: "
            f"{str(error).splitlines()[0][:120]}",
            "If you trust the file's author with your machine, set expert.trust_pickle=true.",
        ) from error
    if not isinstance(state, Mapping) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()
    ):
        raise InvalidValueError(
            f"{source}: {_POLICY} is no mapping of names to tensors.", "Save the model again."
        )
    # imitation counts the samples of its normalisation in 32 bits
    return {name: t.long() if t.dtype == torch.int32 else t for name, t in state.items()}


def _readable(saved: Any) -> dict[str, Any]:
    """Policy arguments that JSON shows: plain values, and classes from a few known places."""
    if not isinstance(saved, Mapping):
        return {}
    found = {}
    for name, value in saved.items():
        if name.startswith((":", "optimizer")) or name in _SETTINGS:
            continue
        named = _CLASS.fullmatch(value) if isinstance(value, str) else None
        if named is not None:
            place = _PLACES.get(named.group(1))
            if isinstance(getattr(place, named.group(2), None), type):
                found[name] = getattr(place, named.group(2))
        elif not isinstance(value, str):
            found[name] = value
    return found
