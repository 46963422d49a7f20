"""Keys that do not change a result."""

from __future__ import annotations

import pytest

from airl_cli.runs.keys import has_effect, matches, without


@pytest.mark.parametrize(
    "key",
    [
        *("verbose", "torch_threads", "device", "expert.device", "expert.algorithm.device"),
        *("logger", "logger.wandb.mode", "expert.cache_dir", "expert.memory_limit"),
        *("trainer.checkpoint_every", "generator.stats_window_size", "env.vectorization"),
    ],
)
def test_keys_that_do_not_change_a_result(key: str) -> None:
    assert matches(key)


@pytest.mark.parametrize(
    "key",
    [
        *("seed", "trainer.total_timesteps", "trainer.demo_batch_size", "generator.learning_rate"),
        *("loggers", "env.id", "evaluation.n_episodes", "expert.seed", "trainer"),
    ],
)
def test_keys_that_do(key: str) -> None:
    assert not matches(key)


def test_the_rest_of_a_config_stays() -> None:
    config = {"seed": 1, "verbose": True, "expert": {"cache_dir": "x", "seed": 0}, "logger": {}}
    assert without(config) == {"seed": 1, "expert": {"seed": 0}}


def test_native_environments_are_others_and_their_key_stays() -> None:
    for value, effect in (("dummy", False), ("threads", False), ("native", True)):
        assert has_effect("env.vectorization", value) is effect
        config = {"env": {"vectorization": value}}
        assert without(config) == (config if effect else {"env": {}})
    assert not has_effect("env.id", "native")
