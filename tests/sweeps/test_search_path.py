"""Whose options count where two have the same name."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from pathlib import Path

import pytest
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from airl_cli.config import conf_dir


@pytest.fixture
def stored() -> Iterator[dict]:
    """The launchers that plugins store; `joblib` and another one among them."""
    Plugins.instance()  # they store theirs when they are found
    store = ConfigStore.instance()
    launchers = store.repo.setdefault("hydra", {}).setdefault("launcher", {})
    before = copy(launchers)
    for name in ("joblib", "another"):
        store.store(group="hydra/launcher", name=name, node={"n_jobs": 1})
    yield launchers
    launchers.clear()
    launchers.update(before)


def test_ours_take_the_place_of_those_that_plugins_store(stored: dict) -> None:
    create_config_search_path(str(conf_dir()))
    assert "joblib.yaml" not in stored
    assert "another.yaml" in stored


def test_other_programs_keep_theirs(stored: dict, tmp_path: Path) -> None:
    create_config_search_path(str(tmp_path))
    assert "joblib.yaml" in stored
