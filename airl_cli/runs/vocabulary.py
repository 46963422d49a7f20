"""Objects from a recorded config, which somebody else may have written.

Nothing that a config names is imported: a `_target_` is a word of the closed vocabulary below, and
stands for the class that is written there. Arguments are checked by `schema`; positional ones do
not exist. Classes of packages that the user trusts by name are the only addition, and only where
they are of the kind that the place takes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from airl_cli.errors import AirlError, InvalidValueError, NotFoundError, one_line
from airl_cli.nodes import import_name, with_current_names
from airl_cli.runs import schema
from airl_cli.text import printable


class Kind(NamedTuple):
    """What a place of a config takes.

    Attributes:
        fields: Model of the arguments.
        base: Class that trusted ones derive from; by name, for it is imported when needed.
        names: Of the classes, as configs write them.
        made: Whether the place wants an object, made at once; else something to call.
    """

    fields: type[BaseModel]
    base: str
    names: tuple[str, ...]
    made: bool = False


def _of(module: str, names: str) -> tuple[str, ...]:
    return tuple(f"{module}.{name}" for name in names.split())


KINDS: dict[str, Kind] = {
    "env": Kind(
        schema.EnvFields,
        "airl_cli.envs.EnvSpec",
        (
            "airl_cli.envs.EnvSpec",
            *_of("airl_cli.envs.specs", "cart_pole half_cheetah hopper pendulum point_maze"),
        ),
        made=True,
    ),
    "wrapper": Kind(
        schema.WrapperFields,
        "gymnasium.Wrapper",
        (
            *_of("airl_cli.envs", "FixedHorizon MasksInObservation ZeroBased"),
            *_of("seals.util", "AutoResetWrapper AbsorbAfterDoneWrapper"),
            *_of(
                "gymnasium.wrappers",
                "AtariPreprocessing ClipAction ClipReward DelayObservation FilterObservation "
                "FlattenObservation FrameStackObservation GrayscaleObservation "
                "MaxAndSkipObservation NormalizeObservation NormalizeReward RescaleAction "
                "RescaleObservation ReshapeObservation ResizeObservation StickyAction "
                "TimeAwareObservation TimeLimit",
            ),
        ),
    ),
    "reward": Kind(
        schema.RewardFields,
        "airl_cli.rewards.RewardNet",
        _of(
            "airl_cli.rewards",
            "BasicRewardNet BasicShapedRewardNet CnnRewardNet CnnShapedRewardNet "
            "ShapedRewardEnsemble",
        ),
    ),
    "generator": Kind(
        schema.GeneratorFields,
        "stable_baselines3.common.base_class.BaseAlgorithm",
        (
            "airl_cli.generators.FastPPO",
            *_of("stable_baselines3", "A2C DDPG DQN PPO SAC TD3"),
            *_of("sb3_contrib", "ARS CrossQ MaskablePPO QRDQN RecurrentPPO TQC TRPO"),
        ),
    ),
    "trainer": Kind(
        schema.TrainerFields,
        "airl_cli.algorithms.AdversarialTrainer",
        (*_of("airl_cli.algorithms", "AIRL BC GAIL"), *_of("airl_cli", "AIRL BC GAIL")),
    ),
    "expert": Kind(
        schema.ExpertFields,
        "airl_cli.experts.Expert",
        _of(
            "airl_cli.experts",
            "CheckpointExpert ClonedExpert MinariExpert RandomExpert TrainedExpert "
            "TrajectoriesExpert",
        ),
        made=True,
    ),
    "schedule": Kind(
        schema.ScheduleFields,
        "airl_cli.algorithms.schedule.Schedule",
        (
            *_of("stable_baselines3.common.utils", "ConstantSchedule LinearSchedule"),
            *_of("airl_cli.algorithms.schedule", "Annealed Late LinearDecay"),
        ),
        made=True,
    ),
    "policy": Kind(
        schema.Nothing,
        "stable_baselines3.common.policies.BasePolicy",
        _of("airl_cli.policies", "FeedForward32Policy"),
    ),
    "features": Kind(
        schema.Nothing,
        "stable_baselines3.common.torch_layers.BaseFeaturesExtractor",
        (
            "airl_cli.features.NormalizedFeatures",
            "airl_cli.policies.NormalizeFeaturesExtractor",
            *_of(
                "stable_baselines3.common.torch_layers",
                "CombinedExtractor FlattenExtractor NatureCNN",
            ),
        ),
    ),
    "norm": Kind(
        schema.NormFields,
        "torch.nn.Module",
        _of("airl_cli.rewards", "EMANorm RunningNorm"),
    ),
    "activation": Kind(
        schema.ActivationFields,
        "torch.nn.Module",
        _of(
            "torch.nn",
            "CELU ELU GELU Hardswish Hardtanh Identity LeakyReLU LogSigmoid Mish ReLU ReLU6 SELU "
            "SiLU Sigmoid Softplus Softsign Tanh",
        ),
    ),
    "optimizer": Kind(
        schema.OptimizerFields,
        "torch.optim.Optimizer",
        _of("torch.optim", "Adadelta Adagrad Adam AdamW Adamax NAdam RAdam RMSprop SGD"),
    ),
}

PACKAGES = ("airl_cli", "gymnasium", "hydra", "sb3_contrib", "seals", "stable_baselines3", "torch")
"""Packages of the vocabulary: what of them may be named is listed, whatever is trusted."""

_ENV_MODULES = (None, "airl_cli", "airl_cli.envs", "gymnasium", "seals")
"""Modules that are imported for environments anyway."""

MAX_WEIGHTS = 2**26
"""Of the nets of a received run; 256 MB in float32."""

DEFAULT_CACHE = "outputs/experts"

# Hydra's ways to say "this class itself"; they take `path`.
_CLASS_ITSELF = ("hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object")
_HOW = ("_target_", "_partial_", "_convert_", "_recursive_")


@dataclass(frozen=True)
class Received:
    """How a recorded config is read.

    Attributes:
        trusted: Packages of the user's own whose classes it may name, e.g. `("my_nets",)`.
        typed_cache: The folder of experts that the user typed; None: none was.
    """

    trusted: Sequence[str] = ()
    typed_cache: str | None = None

    def read(self, config: Mapping[str, Any], name: str, *without: str) -> Any:
        """The object that a section of a config describes.

        Args:
            config: Plain containers.
            name: Of the section, which is also the kind of its part.
            without: Keys that are not arguments of its class.

        Raises:
            InvalidValueError: If the section is missing or not within the schema; names the key.
        """
        node = config.get(name)
        if not isinstance(node, Mapping):
            raise InvalidValueError(f"the run's config has no {name!r} section")
        arguments = {key: value for key, value in node.items() if key not in without}
        with_names = with_current_names(not_too_deep(arguments))
        try:
            return self.value(with_names, name)
        except AirlError as error:
            raise type(error)(f"{name}: {error.problem}", error.remedy) from error

    def value(self, node: Any, kind: str) -> Any:
        """The object that a node describes, or what makes it; see `Kind.made`.

        Args:
            node: A mapping with a `_target_`.
            kind: A name of `KINDS`; with a question mark also None is accepted.

        Raises:
            InvalidValueError: If it is not within the schema.
        """
        if kind.endswith("?"):
            if node is None:
                return None
            kind = kind[:-1]
        name, arguments, itself = _taken_apart(node)
        found, fields = self._find(name, kind), KINDS[kind].fields
        if self._is_trusted(name):
            kwargs = {key: self._free(value) for key, value in arguments.items()}
        else:
            kwargs = self.checked(fields, arguments)
        if KINDS[kind].made:
            return made(found, **kwargs)
        return found if itself else functools.partial(found, **kwargs)

    def checked(self, fields: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as a model reads them, without those that are not there.

        Raises:
            InvalidValueError: For the first that is not as the model says.
        """
        try:
            model = fields.model_validate(values, context=self)
        except ValidationError as error:
            raise _explained(error) from error
        return {
            key: _unwrapped(getattr(model, key)) for key in values if key in model.model_fields_set
        }

    # -- classes ---------------------------------------------------------------------------------

    def _find(self, name: str, kind: str) -> Callable[..., Any]:
        known = next((word for word in KINDS[kind].names if _same_class(word, name)), None)
        if known is not None:
            return _imported(known)
        if self._is_trusted(name):
            found = _imported(name)
            if _is_class_of(found, KINDS[kind].base) and self._is_trusted(found.__module__):
                return found
            raise InvalidValueError(
                f"{printable(name, 100)} is no class that this place takes ({kind})"
            )
        raise InvalidValueError(
            f"the run's config names {printable(name, 100)}, which loading does not call",
            "If you trust it, name its package: trust=[package] on the command line, "
            'load_run(path, trusted=("package",)) in Python.',
        )

    def _is_trusted(self, name: str) -> bool:
        own = [package for package in self.trusted if not _below(package, PACKAGES)]
        return _below(name, own)

    def _free(self, value: Any, depth: int = 0) -> Any:
        """An argument of a trusted class: plain data, and nodes of any kind within it."""
        if depth > 16:
            raise InvalidValueError("an argument is nested too deeply")
        if isinstance(value, Mapping) and "_target_" in value:
            name = _taken_apart(value)[0]
            for kind, (_, base, names, _) in KINDS.items():
                if name in names or (
                    self._is_trusted(name) and _is_class_of(_imported(name), base)
                ):
                    return self.value(value, kind)
            return self._find(name, "activation")
        if isinstance(value, Mapping):
            return {str(key): self._free(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self._free(item, depth + 1) for item in value]
        return value

    # -- values that reach beyond the process ----------------------------------------------------

    def env_id(self, value: Any) -> str:
        """An environment's id, without a module unless that is trusted."""
        if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
            raise ValueError("an environment's id is a text such as Pendulum-v1")
        module, separator, _ = value.rpartition(":")
        if separator:
            self.env_module(module)
        return value

    def env_module(self, value: Any) -> str | None:
        """A module that registers environments."""
        if value in _ENV_MODULES or (isinstance(value, str) and self._is_trusted(value)):
            return value
        raise InvalidValueError(
            f"the run's config would import {printable(str(value), 80)!r} for its environment",
            "If you trust it, name its package: trust=[package] on the command line, "
            'load_run(path, trusted=("package",)) in Python.',
        )

    def cache_dir(self, value: Any) -> str:
        """A folder of experts: the usual one, one that holds some, or one that was typed."""
        if self.typed_cache is not None:
            return self.typed_cache
        if isinstance(value, str) and (value == DEFAULT_CACHE or _holds_experts(value)):
            return value
        raise InvalidValueError(
            f"the run's config would keep its expert in {printable(str(value), 80)!r}",
            "Type expert.cache_dir=<directory> (and expert=<source> where no expert is typed yet).",
        )


def check_size(config: Mapping[str, Any], n_inputs: int) -> None:
    """Refuses nets of more weights than this field has use for, before they are built.

    Args:
        config: A recorded one, within the schema; sections `reward`, `generator`, `expert`.
        n_inputs: Numbers that a net gets: observations, next observations and actions together.

    Raises:
        InvalidValueError: Naming the section.
    """
    for name in ("reward", "generator", "expert"):
        if _n_weights(config.get(name), n_inputs) > MAX_WEIGHTS:
            raise InvalidValueError(f"{name}: the layers in the run's config are too large")


def _n_weights(node: Any, n_inputs: int) -> float:
    """At least as many weights as the lists of sizes in a node ask for."""
    if isinstance(node, list):
        if all(isinstance(item, int) for item in node):
            sizes = [n_inputs, *node, 1]
            return sum(a * b for a, b in zip(sizes, sizes[1:], strict=False))
        return sum(_n_weights(item, n_inputs) for item in node)
    if not isinstance(node, Mapping):
        return 0
    inside = sum(_n_weights(value, n_inputs) for value in node.values())
    copies = [node.get(name, 1) for name in ("n_members", "n_critics", "n_lstm_layers")]
    wide = [node.get(name, 0) for name in ("features_dim", "cnn_output_dim", "lstm_hidden_size")]
    numbers = [n for n in (*copies, *wide) if isinstance(n, int)]
    inside += sum(n * max(n_inputs / 4, n) for n in wide if isinstance(n, int))
    return inside * max([1, *numbers[: len(copies)]])


def made(target: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls a class of the vocabulary.

    Raises:
        AirlError: As the class raises it, or `InvalidValueError` for what does not suit it.
    """
    try:
        return target(*args, **kwargs)
    except AirlError:
        raise
    except (TypeError, ValueError, AssertionError, AttributeError, LookupError) as error:
        raise _unsuited(target, error) from error
    except (RuntimeError, MemoryError, ArithmeticError) as error:
        raise _unsuited(target, error) from error


def _unsuited(target: Any, error: Exception) -> InvalidValueError:
    name = getattr(getattr(target, "func", target), "__name__", "it")
    return InvalidValueError(f"{name} does not take these arguments: {one_line(error)}")


def _taken_apart(node: Any) -> tuple[str, dict[str, Any], bool]:
    """Name and arguments of a node, and whether it means the class itself."""
    if not isinstance(node, Mapping) or not isinstance(node.get("_target_"), str):
        raise InvalidValueError(f"{printable(repr(node), 80)} has no _target_")
    if "_args_" in node:
        raise InvalidValueError("a received config has no positional arguments (_args_)")
    name, arguments = node["_target_"], {k: v for k, v in node.items() if k not in _HOW}
    itself = name in _CLASS_ITSELF
    if itself:
        name = arguments.pop("path", None)
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        raise InvalidValueError(f"{printable(str(name), 80)!r} is not a dotted name")
    return name, arguments, itself


def not_too_deep(node: Any, depth: int = 0) -> Any:
    """The node itself, if it is not nested beyond all measure."""
    if depth > 32:
        raise InvalidValueError("the run's config is nested more than 32 levels deep")
    for item in (
        node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    ):
        not_too_deep(item, depth + 1)
    return node


def _same_class(word: str, name: str) -> bool:
    """Whether a name is a word of the vocabulary, or where the class of that word is defined."""
    if word == name:
        return True
    if word.rpartition(".")[2] != name.rpartition(".")[2] or not _below(
        name, (word.split(".")[0],)
    ):
        return False
    found = _imported(word)
    return f"{found.__module__}.{found.__qualname__}" == name


def _imported(name: str) -> Any:
    try:
        return import_name(name)
    except Exception as error:  # importing a trusted package may raise anything
        raise NotFoundError(
            f"{printable(name, 100)} cannot be imported: {one_line(error)}",
            "Install the package that holds it.",
        ) from error


def _is_class_of(found: Any, base: str) -> bool:
    if not inspect.isclass(found):
        return False
    if base == "airl_cli.experts.Expert":
        return callable(getattr(found, "demonstrations", None))
    if base == "airl_cli.algorithms.schedule.Schedule":
        return "__call__" in vars(found)
    return issubclass(found, import_name(base))


def _below(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _holds_experts(folder: str) -> bool:
    try:
        return next(Path(folder).glob("*/expert.json"), None) is not None
    except (ValueError, OSError):
        return False


def _unwrapped(value: Any) -> Any:
    """A nested model as keyword arguments."""
    if isinstance(value, BaseModel):
        return {key: _unwrapped(getattr(value, key)) for key in sorted(value.model_fields_set)}
    return list(value) if isinstance(value, tuple) else value


def _explained(error: ValidationError) -> InvalidValueError:
    """The first thing that a model refuses, naming the key."""
    first = error.errors(include_url=False)[0]
    path = printable(".".join(str(part) for part in first["loc"] if not _is_tag(part)), 120)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, AirlError):
        return InvalidValueError(
            f"{path}: {cause.problem}" if path else cause.problem, cause.remedy
        )
    if first["type"] == "extra_forbidden":
        return InvalidValueError(f"the run's config has a key {path} that loading does not know")
    shown = printable(repr(first["input"]), 80)
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidValueError(
        f"{path}={shown} in the run's config is out of range or of the wrong type: {reason}"
    )


def _is_tag(part: Any) -> bool:
    """Whether a part of a location is the name of a branch of a union."""
    return isinstance(part, str) and (
        "[" in part or part in ("int", "float", "str", "bool", "list")
    )
