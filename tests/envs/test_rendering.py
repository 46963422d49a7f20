"""Which backend MuJoCo draws with."""

import subprocess
from typing import Any

import gymnasium as gym
import pytest

from airl_cli.envs import mujoco as rendering


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The backends that were tried, of which only OSMesa works; no display."""
    tried: list[str] = []

    def run(command: Any, *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        tried.append(env["MUJOCO_GL"])
        return subprocess.CompletedProcess(command, int(env["MUJOCO_GL"] != "osmesa"))

    monkeypatch.setattr(rendering.subprocess, "run", run)
    monkeypatch.setattr(rendering.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUJOCO_GL", "")  # so that it is put back afterwards
    return tried


def test_without_a_display_the_first_backend_that_works_is_chosen(asked: list[str]) -> None:
    assert rendering.choose_gl() == "osmesa"
    assert asked == ["egl", "osmesa"]
    assert rendering.choose_gl() == "osmesa"  # and kept
    assert len(asked) == 2


@pytest.mark.parametrize(("name", "value"), [("MUJOCO_GL", "glfw"), ("DISPLAY", ":0")])
def test_what_somebody_chose_stays(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert rendering.choose_gl() == (value if name == "MUJOCO_GL" else None)
    assert asked == []


def test_it_is_known_which_environments_mujoco_draws() -> None:
    assert rendering.draws_with_mujoco(gym.make("Swimmer-v5").unwrapped)
    assert not rendering.draws_with_mujoco(gym.make("airl_cli.envs:airl/PointMaze-v0").unwrapped)
