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

import numpy as np
import stable_baselines3.common.torch_layers
import torch

from airl_cli import features
from airl_cli.data.formats.npz import check_inflation
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError, printable

_MAX_JSON_BYTES = 2**26
_POLICY = "policy.pth"
_CLASS = re.compile(r"<class '([\w.]+)\.(\w+)'>")

# Where classes that a policy's settings name may come from; only these attributes are looked up.
_PLACES = {
    "torch.nn.modules.activation": torch.nn,
    "torch.nn.modules.linear": torch.nn,  # Identity
    "stable_baselines3.common.torch_layers": stable_baselines3.common.torch_layers,
    "imitation.policies.base": features,
}
_SETTINGS = ("use_sde",)
_POLICY_PACKAGES = ("stable_baselines3", "sb3_contrib")
_NET_ARCHS = {"FeedForward32Policy": [32, 32], "SAC1024Policy": [1024, 1024]}
"""What the policy classes of imitation set themselves."""
_SHARED = "mlp_extractor.shared_net."


@dataclass(frozen=True)
class SavedModel:
    """The harmless part of a saved model.

    Attributes:
        tensors: The policy's `state_dict`.
        policy_kwargs: As far as they can be read without unpickling.
        settings: Arguments of the algorithm that change the policy's structure.
        unreadable: Policy arguments that only a pickle holds, with the text beside it; and
            `policy`, where its class is not one of Stable-Baselines3's.
        action_bounds: Lower and upper bounds of Box actions, flat; None where they are unknown.
    """

    tensors: Mapping[str, torch.Tensor]
    policy_kwargs: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    action_bounds: tuple[np.ndarray, np.ndarray] | None = None


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
    policy_kwargs, unreadable = _readable(data.get("policy_kwargs"))
    module, name = _policy_class(data.get("policy_class"))
    if name in _NET_ARCHS and module == "imitation.policies.base":
        policy_kwargs.setdefault("net_arch", _NET_ARCHS[name])
    elif module and module.split(".")[0] not in _POLICY_PACKAGES:
        unreadable["policy"] = f"{module}.{name}"
    tensors = _in_todays_names(_read_tensors(source, weights))
    if tensors.pop(_SHARED, None) is not None:
        policy_kwargs["net_arch"] = {
            "pi": _widths(tensors, "policy_net"),
            "vf": _widths(tensors, "value_net"),
        }
    return SavedModel(
        tensors=tensors,
        policy_kwargs=policy_kwargs,
        settings={k: data[k] for k in _SETTINGS if isinstance(data.get(k), bool)},
        unreadable=unreadable,
        action_bounds=_bounds(data.get("action_space")),
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
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_meta:
            raise InvalidValueError(
                f"{source}: the weights {name} in {_POLICY} are not a dense tensor.",
                "Save the model again, with dense weights.",
            )
    # imitation counts the samples of its normalisation in 32 bits
    return {name: t.long() if t.dtype == torch.int32 else t for name, t in state.items()}


def _in_todays_names(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of Stable-Baselines3 1.x, whose policy and value nets could share their first layers.

    Shared layers become the first layers of both nets, which compute the same; the key `_SHARED`
    then marks that there were some.
    """
    found = dict(tensors)
    shared = {name.removeprefix(_SHARED): t for name, t in tensors.items() if _SHARED in name}
    shift = 2 * sum(name.endswith(".weight") for name in shared)  # a layer and its activation
    if not shared:
        return found
    for net in ("policy_net", "value_net"):
        start = f"mlp_extractor.{net}."
        for name in [name for name in tensors if name.startswith(start)]:
            del found[name]
        for name, tensor in tensors.items():
            if name.startswith(start):
                index, _, kind = name.removeprefix(start).partition(".")
                found[f"{start}{int(index) + shift}.{kind}"] = tensor
        found.update({start + name: tensor for name, tensor in shared.items()})
    for name in shared:
        del found[_SHARED + name]
    found[_SHARED] = torch.empty(0)
    return found


def _widths(tensors: Mapping[str, torch.Tensor], net: str) -> list[int]:
    """Output sizes of the linear layers of a net, in order."""
    start = f"mlp_extractor.{net}."
    layers = {
        int(name.removeprefix(start).partition(".")[0]): len(tensor)
        for name, tensor in tensors.items()
        if name.startswith(start) and name.endswith(".weight")
    }
    return [layers[index] for index in sorted(layers)]


def _readable(saved: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Policy arguments that JSON shows (plain values, classes of a few known places), and others.

    The optimiser's are left out: it plays no part in acting.
    """
    if not isinstance(saved, Mapping):
        return {}, {}
    found: dict[str, Any] = {}
    unreadable: dict[str, str] = {}
    for name, value in saved.items():
        if name.startswith((":", "optimizer")) or name in _SETTINGS:
            continue
        named = _CLASS.fullmatch(value) if isinstance(value, str) else None
        known = None if named is None else getattr(_PLACES.get(named[1]), named[2], None)
        if isinstance(known, type):
            found[name] = known
        elif isinstance(value, str):
            unreadable[name] = printable(value, 80)
        else:
            found[name] = value
    return found, unreadable


def _policy_class(saved: Any) -> tuple[str, str]:
    """Module and name of the policy's class, as far as the text beside its pickle tells them."""
    if not isinstance(saved, Mapping) or not isinstance(saved.get("__module__"), str):
        return "", ""
    methods = (re.match(r"<function (\w+)\.", str(text)) for text in saved.values())
    return printable(saved["__module__"], 80), next((m[1] for m in methods if m), "?")


def _bounds(saved: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Bounds of a Box out of the text beside its pickle."""
    if not isinstance(saved, Mapping):
        return None
    texts = [saved.get(name) for name in ("low", "high")]
    if not all(isinstance(text, str) and "..." not in text for text in texts):
        return None
    try:
        low, high = (
            np.array([float(n) for n in re.findall(r"[^\s\[\],]+", str(t))]) for t in texts
        )
    except ValueError:
        return None
    return low, high
