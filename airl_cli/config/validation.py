"""All checks of a composed config, in the order in which they help most."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from airl_cli.config.hydra_errors import missing_value
from airl_cli.config.ranges import check_combinations, check_ranges
from airl_cli.config.signatures import check_signatures
from airl_cli.errors import InvalidValueError, one_line
from airl_cli.nodes import with_current_names

# What commands read themselves, besides what a `_target_` takes: by node, with type hints.
OwnKeys = Mapping[str, Mapping[str, Any]]

TRAIN_KEYS: OwnKeys = {
    "": {
        "seed": int,
        "device": str,
        "torch_threads": int | None,
        "verbose": bool,
        "resume": str | None,
        "trust": list[str],
    },
    "trainer": {
        "total_timesteps": int,
        "checkpoint_every": int | None,
        "keep_checkpoints": int,
        "checkpoint_share": float | None,
    },
    "evaluation": {"n_episodes": int, "deterministic": bool, "retrain": bool},
}
TRANSFER_KEYS: OwnKeys = {
    "": {**TRAIN_KEYS[""], "run": str, "gail_run": str | None},
    "trainer": TRAIN_KEYS["trainer"],
    "upper_bound": {"total_timesteps": int, "temperature": float},
    "evaluation": {"n_episodes": int, "deterministic": bool},
}
_OF_A_RUN = {**TRAIN_KEYS[""], "run": str, "seed": int | None}
EVALUATE_KEYS: OwnKeys = {
    "": {**_OF_A_RUN, "video": bool, "video_episodes": int, "video_steps": int | None},
    "evaluation": {"n_episodes": int | None, "deterministic": bool | None},
}
REWARD_KEYS: OwnKeys = {
    "": {
        **_OF_A_RUN,
        "n_episodes": int,
        "n_mean_samples": int,
        "discount": float | None,
    },
    "heat_map": {
        "dimensions": list[int] | None,
        "labels": list[str] | None,
        "resolution": int,
    },
}


def validated(cfg: DictConfig, own_keys: OwnKeys, *, together: bool = True) -> dict[str, Any]:
    """The config as plain, resolved containers, with every key, type and range checked.

    Args:
        cfg: The composed config.
        own_keys: The keys that the command reads itself.
        together: Whether values must fit one another; not where others will take their places.

    Raises:
        AirlError: For the first mistake; the message names the key as one would type it.
    """
    config = plain(cfg)
    for whole in check_signatures(config, own_keys):
        parent, _, key = whole.path.rpartition(".")
        node = config
        for part in parent.split(".") if parent else ():
            node = node[part]
        node[key] = whole.value
    check_ranges(config)
    if together:
        check_combinations(config)
    return config


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain containers, interpolations resolved.

    Raises:
        InvalidValueError: If a key without default is not set, or an interpolation leads nowhere.
    """
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
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
