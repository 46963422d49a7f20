"""What Hydra and OmegaConf say about a config, said in two lines that name the remedy."""

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from airl_cli.config import conf_dir
from airl_cli.errors import AirlError, InvalidValueError, did_you_mean, one_line


def explain(
    error: Exception, command: str, overrides: Sequence[str], config_dir: str | None = None
) -> AirlError | None:
    """The mistake behind an exception that came out of Hydra.

    Args:
        error: What Hydra raised while it composed configs or prepared a job.
        command: The command, which is also the name of its primary config.
        overrides: What the user typed.
        config_dir: The user's additional config folder.

    Returns:
        An error with problem and remedy, or None if it does not look like a user's mistake.
    """
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return _cannot_write(error)
    if isinstance(error, RecursionError):
        return InvalidValueError(
            "a config contains itself: its defaults, or its YAML aliases, go round in a circle.",
            "Correct the file in --config-dir.",
        )
    if isinstance(error, yaml.YAMLError):
        return InvalidValueError(
            f"a config file is not valid YAML: {one_line(error)}", "Correct the file."
        )
    if isinstance(error, OverrideParseException):
        return InvalidValueError(
            f"{error.override!r} is not a well-formed override.",
            _quoted(error) or f"Write key=value: {_first_line(error)}",
        )
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    sweep = re.match(
        r"Ambiguous value for argument '([^']+)'|Sweep parameters '([^']+)'", str(error)
    )
    if sweep:
        return InvalidValueError(
            f"{sweep.group(1) or sweep.group(2)} gives several values to one job.",
            f"Add -m to run one job per value: airl {command} -m ...; a list is [a,b].",
        )
    key = _rejected_key(error)
    if key is not None:
        return _unknown_key(key, command, overrides, config_dir)
    if isinstance(error, MissingMandatoryValue):
        return missing_value(error)
    if isinstance(error, (HydraException, OmegaConfBaseException, ValueError)):
        lines = [line.strip() for line in _whole_message(error) if line.strip()]
        return InvalidValueError(
            lines[0] if lines else type(error).__name__,
            " ".join(lines[1:3]) or f"airl {command} --hydra-help lists the options.",
        )
    return None


def _quoted(error: OverrideParseException) -> str:
    """The same override with its value in quotes, if that is well-formed."""
    key, _, value = str(error.override).partition("=")
    text = QuotedString(text=value.replace("${", "\\${"), quote=Quote.double).with_quotes()
    try:
        OverridesParser.create().parse_override(f"{key}={text}")
    except HydraException:
        return ""
    return f"If the value is a text, quote it: {shlex.quote(f'{key}={text}')}" if value else ""


def missing_value(error: MissingMandatoryValue) -> InvalidValueError:
    """A key that has no default, such as `run`."""
    key = getattr(error, "full_key", None) or str(getattr(error, "key", "a key"))
    return InvalidValueError(f"{key} is not set, and has no default.", f"Add {key}=<value>.")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _whole_message(error: BaseException) -> Iterator[str]:
    """The lines of an exception and of those that caused it."""
    current: BaseException | None = error
    while current is not None:
        yield from str(current).splitlines()
        current = current.__cause__


def _cannot_write(error: OSError) -> AirlError:
    path = f" {error.filename}" if error.filename else ""
    return InvalidValueError(
        f"the output directory{path} cannot be written: {error.strerror or error}.",
        "Choose another one with hydra.run.dir=<directory> (hydra.sweep.dir for a multirun).",
    )


def _missing_option(error: MissingConfigException) -> AirlError:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    if not group or not error.options:
        return InvalidValueError(
            one_line(error), "airl --help lists the commands and their options."
        )
    options = sorted(error.options)
    guess = did_you_mean(option, options)
    return InvalidValueError(
        f"{group} has no option {option!r}.",
        f"{guess} Options: {', '.join(options)}.".strip(),
    )


def _rejected_key(error: Exception) -> str | None:
    match = re.match(r"Could not override '([^']+)'", str(error)) or re.match(
        r"Could not (?:delete|append to config)[^']*'([^']+)'", str(error)
    )
    if match:
        return match.group(1).partition("@")[0]
    match = re.match(r"Override (\S+?)=\S* looks like a config group", str(error))
    return match.group(1).lstrip("+~") if match else None


def _unknown_key(
    key: str, command: str, overrides: Sequence[str], config_dir: str | None
) -> AirlError:
    same = [o for o in overrides if re.split("[=@]", o.lstrip("+~"))[0] == key]
    if len(same) > 1 and any(o.startswith("+") for o in same):
        return InvalidValueError(
            f"{key} is given twice: {' '.join(same)}.", "Leave one of them out."
        )
    rest = [o for o in overrides if re.split("[=@]", o.lstrip("+~"))[0] != key]
    rest = [o for o in rest if not o.startswith("hydra.")]
    cfg, groups = _compose_without(command, rest, config_dir, key.startswith("hydra."))
    if key in _keys(cfg):
        return InvalidValueError(
            f"{key} is in the config already.", f"Type {key}=<value>, no plus."
        )
    taker = _taker(cfg, key)
    if taker is not None:
        return InvalidValueError(
            f"{key} is not in the config, although {taker} takes it.", f"Type +{key}=<value>."
        )
    parent = key.rpartition(".")[0]
    free = _free_mapping(cfg, parent)
    if free is not None:
        guess = did_you_mean(key, _keys(free, f"{parent}."))
        hint = f"To add it, type +{key}=<value>."
    else:
        # A group that another command has is no guess for itself.
        guess = did_you_mean(key, [name for name in (*_keys(cfg), *groups) if name != key])
        hint = f"airl {command} --help lists the groups and keys."
    return InvalidValueError(f"there is no key {key!r}.", f"{guess} {hint}".strip())


def _compose_without(
    command: str, overrides: Sequence[str], config_dir: str | None, hydra: bool
) -> tuple[DictConfig, list[str]]:
    """The config that the other overrides make, and all groups; the defaults' where they fail."""
    searchpath = [f"hydra.searchpath=[file://{config_dir}]"] if config_dir else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        groups = GlobalHydra.instance().config_loader().list_groups("")
        launching = [o for o in overrides if o.startswith("hydra/")]  # others may be sweeps
        for attempt in ([*overrides, *searchpath], [*launching, *searchpath], searchpath, []):
            try:
                return compose(command, attempt, return_hydra_config=hydra), groups
            except (HydraException, OmegaConfBaseException):
                continue
    return OmegaConf.create({}), groups


def _keys(cfg: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(cfg, DictConfig) or cfg._is_none() or cfg._is_missing():
        return
    for key, value in cfg.items_ex(resolve=False):
        name = f"{prefix}{key!s}"
        if not str(key).startswith("_"):
            yield name
            yield from _keys(value, f"{name}.")


def _taker(cfg: DictConfig, key: str) -> str | None:
    """The `_target_` that has the key as a parameter, although the config does not name it."""
    from airl_cli.config.signatures import locate, parameters

    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else None
    if not isinstance(node, DictConfig) or "_target_" not in node:
        return None
    accepted, _ = parameters(locate(node["_target_"], parent))
    return str(node["_target_"]) if name in accepted else None


def _free_mapping(cfg: DictConfig, path: str) -> DictConfig | None:
    """The node at a path if it may hold any keys, such as `generator.policy_kwargs`."""
    node = OmegaConf.select(cfg, path) if "." in path else None
    return node if isinstance(node, DictConfig) and "_target_" not in node else None
