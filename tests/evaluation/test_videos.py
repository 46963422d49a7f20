"""Episodes as MP4 files."""

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from airl_cli.envs import EnvSpec
from airl_cli.envs.mujoco import choose_gl
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.evaluation.videos import check_recordable, record_videos

imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="the extra 'video' is not installed")
pytest.importorskip("moviepy", reason="the extra 'video' is not installed")

MAZE = EnvSpec("airl/PointMaze-v0", n_envs=2, max_episode_steps=12)


def frames(path: Path) -> np.ndarray:
    """Pictures (n, height, width, 3) of a film, decoded."""
    reader = imageio_ffmpeg.read_frames(str(path))
    width, height = next(reader)["size"]
    return np.stack([np.frombuffer(raw, np.uint8).reshape(height, width, 3) for raw in reader])


def test_a_film_shows_every_step_of_an_episode_and_its_beginning(tmp_path: Path) -> None:
    check_recordable(MAZE)
    files = record_videos(None, MAZE, tmp_path / "videos", seed=1, n_episodes=2)
    assert files == [tmp_path / "videos/episode-0.mp4", tmp_path / "videos/episode-1.mp4"]
    assert sorted((tmp_path / "videos").iterdir()) == files
    first, second = map(frames, files)
    assert first.shape == second.shape == (13, 400, 400, 3)
    blue = (first[..., 2].astype(int) - first[..., 0]) > 60  # the particle
    assert blue.any(axis=(1, 2)).all()
    assert (blue[0] != blue[-1]).any()  # it has moved


def test_a_film_can_show_only_the_beginning_of_long_episodes(tmp_path: Path) -> None:
    (file,) = record_videos(None, MAZE, tmp_path, seed=1, n_episodes=1, max_steps=5)
    assert len(frames(file)) == 6


def test_mujoco_draws_without_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUJOCO_GL", "")  # so that it is put back afterwards
    if choose_gl() is None:
        pytest.skip("neither EGL nor OSMesa works here")
    small = {"width": 64, "height": 64}
    swimmer = EnvSpec("Swimmer-v5", n_envs=1, max_episode_steps=2, kwargs=small)
    check_recordable(swimmer)
    (file,) = record_videos(None, swimmer, tmp_path, seed=1, n_episodes=1)
    film = frames(file)
    assert film.shape == (3, 64, 64, 3)
    assert film.std(axis=(1, 2, 3)).min() > 10  # there is something to be seen


def test_recording_moves_no_random_stream(tmp_path: Path) -> None:
    np.random.seed(3)
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    record_videos(None, MAZE, tmp_path, seed=1, n_episodes=1, max_steps=1)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


def test_an_environment_that_draws_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="draws no pictures: its render modes are ansi"):
        check_recordable(EnvSpec("airl-test/Silent-v0", kwargs={}))


class Silent(gym.Env[Any, Any]):
    """Can only be told about."""

    metadata = {"render_modes": ["ansi"]}
    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode


class Broken(Silent):
    """Fails where drawing needs something that is not there."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def reset(self, **kwargs: Any) -> Any:
        return np.zeros(1, np.float32), {}

    def render(self) -> Any:
        raise RuntimeError("no OpenGL platform")


@pytest.fixture(autouse=True, scope="module")
def _environments() -> Any:
    gym.register("airl-test/Silent-v0", Silent, disable_env_checker=True)
    gym.register("airl-test/Broken-v0", Broken, disable_env_checker=True)
    yield
    for name in ("Silent", "Broken"):
        del gym.registry[f"airl-test/{name}-v0"]


def test_drawing_that_fails_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    with pytest.raises(AirlError) as caught:
        check_recordable(EnvSpec("airl-test/Broken-v0"))
    assert "cannot be drawn here (MUJOCO_GL=glfw): no OpenGL platform." in caught.value.problem
    assert "libegl1" in caught.value.remedy


def test_without_moviepy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moviepy", None)
    with pytest.raises(NotFoundError) as caught:
        check_recordable(MAZE)
    assert caught.value.remedy == 'Install it: pip install "airl-cli[video]"'
