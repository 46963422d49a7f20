"""All checks of a composed config, in the order in which they help most."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from airl_cli.config.hydra_errors import missing_value
from airl_cli.config.signatures import check_signatures
from airl_cli.errors import InvalidTypeError, InvalidValueError, one_line
from airl_cli.limits import Count, CountOrZero, Fraction, Limit, NonNegative, Seed, Share
from airl_cli.nodes import lookup, with_current_names

# What commands read themselves, besides what a `_target_` takes: by node, with type hints.
OwnKeys = Mapping[str, Mapping[str, Any]]

Threads = Annotated[int, Limit("between 1 and 1024", lambda value: 1 <= value <= 1024)]
Episodes = Annotated[int, Limit("between 2 and 1000000", lambda value: 2 <= value <= 10**6)]
Pixels = Annotated[int, Limit("between 2 and 2000", lambda value: 2 <= value <= 2000)]

PROCESS_KEYS = {"seed": Seed, "device": str, "torch_threads": Threads | None}
_NODE = Callable[..., Any]  # a mapping with `_target_`
_SHARED = {**PROCESS_KEYS, "verbose": bool, "trust": list[str]}
_NAMING = {"name": str | None, "tags": list[str]}

TRAIN_KEYS: OwnKeys = {
    "": {
        **_SHARED,
        **_NAMING,
        "resume": str | None,
        **dict.fromkeys(("env", "expert", "reward", "generator", "trainer", "logger"), _NODE),
    },
    "trainer": {
        "total_timesteps": Count,
        "checkpoint_every": Count | None,
        "keep_checkpoints": Count,
        "checkpoint_share": Share | None,
    },
    "generator": {"warm_start": Literal["bc"] | None},
    "evaluation": {"n_episodes": Episodes, "deterministic": bool, "retrain": bool},
}
TRANSFER_KEYS: OwnKeys = {
    "": {**_SHARED, **_NAMING, "run": str, "gail_run": str | None},
    "trainer": {"total_timesteps": Count},
    "generator": {"warm_start": None},
    "upper_bound": {"total_timesteps": Count, "temperature": NonNegative},
    "evaluation": {"n_episodes": Episodes, "deterministic": bool},
}
_OF_A_RUN = {**_SHARED, "run": str, "seed": Seed | None}
EVALUATE_KEYS: OwnKeys = {
    "": {**_OF_A_RUN, "video": bool, "video_episodes": Count, "video_steps": Count | None},
    "evaluation": {"n_episodes": Episodes | None, "deterministic": bool | None},
}
VERIFY_KEYS: OwnKeys = {"": {"run": str, "rerun": bool, "trust": list[str]}}
PUBLISH_KEYS: OwnKeys = {
    "": {
        **dict.fromkeys(("run", "repo"), str),
        "output": str | None,
        **dict.fromkeys(("upload", "private"), bool),
        "trust": list[str],
    }
}
REWARD_KEYS: OwnKeys = {
    "": {
        **_OF_A_RUN,
        "n_episodes": Count,
        "n_mean_samples": Count,
        "discount": Fraction | None,
    },
    "heat_map": {
        "dimensions": list[CountOrZero] | None,
        "labels": list[str] | None,
        "limits": list[list[float]] | None,
        "resolution": Pixels,
    },
}

_MAY_BE_MISSING = ("generator.warm_start",)
"""Not in configs of the user's own, nor in those that were recorded before there was such a key."""


def validated(cfg: DictConfig, own_keys: OwnKeys, *, together: bool = True) -> dict[str, Any]:
    """The config as plain, resolved containers, with every key, type and limit checked.

    Args:
        cfg: The composed config.
        own_keys: The keys that the command reads itself.
        together: Whether values must fit one another; not where others will take their places.

    Raises:
        AirlError: For the first mistake; the message names the config key.
    """
    config = plain(cfg)
    for node, keys in own_keys.items():
        present = lookup(config, node) if node else config
        if not isinstance(present, Mapping):
            raise InvalidTypeError(
                f"{node}={present} is of the wrong type: a mapping is wanted.",
                f"Set its keys: {', '.join(f'{node}.{key}' for key in keys)}.",
            )
        for key in keys:
            path = f"{node}.{key}".lstrip(".")
            if key not in present and path not in _MAY_BE_MISSING:
                raise InvalidValueError(
                    f"{path} is missing.", f"Leave out ~{path}, or set {path}=<value>."
                )
    check_signatures(config, own_keys)
    if together:
        check_discriminator_is_trained(config)
    return config


def check_discriminator_is_trained(config: Mapping[str, Any]) -> None:
    """Refuses a training without a single update of the discriminator.

    Raises:
        InvalidValueError: If both numbers of updates are 0.
    """
    updates = ("n_disc_updates_per_round", "n_disc_updates_before_pricing")
    counts = [lookup(config, f"trainer.{name}") for name in updates]
    if counts[0] is not None and not any(counts):
        raise InvalidValueError(
            "trainer.n_disc_updates_per_round=0 leaves the discriminator untrained.",
            "Set it, or trainer.n_disc_updates_before_pricing, to 1 or more.",
        )


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain containers, interpolations resolved.

    Raises:
        InvalidValueError: If a key without default is not set, or an interpolation leads nowhere.
    """
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except RecursionError as error:
        raise InvalidValueError(
            "the config contains itself: its YAML aliases go round in a circle.",
            "Correct the file in --config-dir.",
        ) from error
    except MissingMandatoryValue as error:
        raise missing_value(error) from error
    except OmegaConfBaseException as error:
        reason = one_line(error)
        raise InvalidValueError(
            f"the config cannot be resolved: {reason}", "Correct the ${...}, or add what it names."
        ) from error
    assert isinstance(config, dict)
    current: dict[str, Any] = with_current_names({str(k): v for k, v in config.items()})
    return current
