"""Every search space fits the config that it is for."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from airl_cli.config import conf_dir
from airl_cli.config.validation import TRAIN_KEYS, validated

SPACES = sorted(path.stem for path in (conf_dir() / "sweep").glob("*.yaml"))


def test_there_are_some() -> None:
    assert {"airl_cartpole", "airl_pendulum"} <= set(SPACES)


def train_config(cfg: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])


@pytest.mark.parametrize("name", SPACES)
def test_a_space_searches_keys_that_there_are_within_their_limits(name: str) -> None:
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        cfg = compose("train", [f"sweep={name}"], return_hydra_config=True)
    sweeper = cfg.hydra.sweeper
    assert sweeper.study_name == name
    assert not set(sweeper.seeds) & set(range(10))  # those are what results are reported on
    for key, space in sweeper.params.items():
        assert OmegaConf.select(cfg, key, throw_on_missing=True) is not None, key
        value = OverridesParser.create().parse_override(f"{key}={space}").value()
        numbers = [value.start, value.end] if hasattr(value, "end") else list(value.list)
        assert len(set(map(str, numbers))) > 1
        for number in numbers:
            OmegaConf.update(cfg, key, number)
            validated(train_config(cfg), TRAIN_KEYS)
