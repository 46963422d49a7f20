"""A composed config, checked as a whole."""

import pytest
from omegaconf import OmegaConf

from airl_cli.config.validation import check_discriminator_is_trained, plain, validated
from airl_cli.errors import AirlError, InvalidTypeError, InvalidValueError
from airl_cli.limits import Count

KEYS = {"": {"seed": int}, "trainer": {"total_timesteps": Count}}


def test_interpolations_are_resolved_into_plain_containers() -> None:
    config = plain(OmegaConf.create({"a": {"b": [1]}, "c": "${a.b}"}))
    assert config == {"a": {"b": [1]}, "c": [1]}
    assert type(config["a"]) is dict


def test_an_interpolation_that_leads_nowhere_is_named() -> None:
    with pytest.raises(InvalidValueError, match=r"cannot be resolved: .*generator\.gama"):
        plain(OmegaConf.create({"reward": {"discount": "${generator.gama}"}}))


def test_a_key_without_default_is_named_as_one_types_it() -> None:
    with pytest.raises(InvalidValueError, match=r"^env\.id is not set") as error:
        plain(OmegaConf.create({"env": {"id": "???"}}))
    assert error.value.remedy == "Add env.id=<value>."


def test_whole_floats_become_integers_where_these_are_wanted() -> None:
    config = validated(OmegaConf.create({"seed": 2.0, "trainer": {"total_timesteps": 1e5}}), KEYS)
    assert (config["seed"], config["trainer"]["total_timesteps"]) == (2, 100_000)
    assert isinstance(config["trainer"]["total_timesteps"], int)


def test_types_are_checked_before_limits() -> None:
    with pytest.raises(InvalidTypeError, match="seed"):
        validated(OmegaConf.create({"seed": "x", "trainer": {"total_timesteps": -1}}), KEYS)
    with pytest.raises(AirlError, match=r"trainer\.total_timesteps must be at least 1, got -1"):
        validated(OmegaConf.create({"seed": 0, "trainer": {"total_timesteps": -1}}), KEYS)


def test_a_key_that_was_deleted_is_missing() -> None:
    with pytest.raises(InvalidValueError, match="^seed is missing") as error:
        validated(OmegaConf.create({"trainer": {"total_timesteps": 1}}), KEYS)
    assert "~seed" in error.value.remedy


def test_the_discriminator_gets_updates() -> None:
    check_discriminator_is_trained({"trainer": {"total_timesteps": 1}})
    check_discriminator_is_trained(
        {"trainer": {"n_disc_updates_per_round": 0, "n_disc_updates_before_pricing": 1}}
    )
    with pytest.raises(InvalidValueError, match="leaves the discriminator untrained"):
        check_discriminator_is_trained(
            {"trainer": {"n_disc_updates_per_round": 0, "n_disc_updates_before_pricing": 0}}
        )
