"""Episodes of a policy as MP4 files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.wrappers import RecordVideo
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.data import rollout
from airl_cli.data.formats.base import require
from airl_cli.envs import EnvSpec
from airl_cli.envs.mujoco import choose_gl, draws_with_mujoco
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError, one_line
from airl_cli.seeding import derive_seed, isolated_rng

_MODE = "rgb_array"


def check_recordable(env: EnvSpec) -> None:
    """Refuses what could not be recorded, before time goes into episodes: draws one picture.

    Raises:
        NotFoundError: If a package is not installed.
        InvalidValueError: If the environment draws no pictures, or cannot do so here.
    """
    require("moviepy", "video", "video=true")
    _need_no_window()
    with _explained(env):
        with closing(replace(env, vectorization="dummy").make(0, n_envs=1)) as venv:
            modes = venv.get_attr("metadata")[0].get("render_modes") or ()
            (inner,) = venv.get_attr("unwrapped")
        if _MODE not in modes:
            raise InvalidValueError(
                f"{env.id} draws no pictures: its render modes are {', '.join(modes) or 'none'}.",
                f"Leave video=true out, or give the environment the render mode {_MODE}.",
            )
        if draws_with_mujoco(inner):
            choose_gl()
        with closing(_make(env, seed=0)) as venv:
            venv.reset()
            (picture,) = venv.env_method("render")
    if not isinstance(picture, np.ndarray) or picture.ndim != 3:
        raise InvalidValueError(
            f"{env.id} draws {type(picture).__name__} instead of pictures (height, width, 3).",
            "Leave video=true out.",
        )


def record_videos(
    policy: Any,
    env: EnvSpec,
    folder: str | Path,
    *,
    seed: int,
    n_episodes: int,
    max_steps: int | None = None,
    deterministic: bool = False,
) -> list[Path]:
    """Records episodes, each in a file `episode-<number>.mp4`.

    Nothing else notices: the episodes are none of an evaluation's, and no random stream of the
    caller moves.

    Args:
        policy: What `rollout.rollout` takes.
        env: Makes the environment; see `check_recordable`.
        folder: For the files.
        seed: Of the environment and of the policy's actions.
        n_episodes: At least 1.
        max_steps: Of an episode that are shown, from its beginning; None: all of them.
        deterministic: Take the policy's most likely action instead of sampling.

    Returns:
        The files, in order.
    """
    record = partial(
        RecordVideo,
        video_folder=str(folder),
        episode_trigger=lambda number: number < n_episodes,
        video_length=0 if max_steps is None else max_steps,
        name_prefix="rl",
    )
    rng = np.random.default_rng(derive_seed(seed, "actions"))
    isolated = isolated_rng(derive_seed(seed, "policy"))
    venv = _make(env, derive_seed(seed, "environments"), record)
    with isolated, warnings.catch_warnings(), closing(venv):
        warnings.filterwarnings("ignore", message=".*Overwriting existing videos")
        rollout.rollout(
            policy,
            venv,
            rollout.make_sample_until(min_episodes=n_episodes),
            rng=rng,
            deterministic_policy=deterministic,
        )
    return [_renamed(Path(folder), number) for number in range(n_episodes)]


def _need_no_window() -> None:
    """Keeps pygame from opening a window or a sound device, unless drivers are chosen already."""
    for name in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):
        os.environ.setdefault(name, "dummy")


def _renamed(folder: Path, number: int) -> Path:
    target = folder / f"episode-{number}.mp4"
    return (folder / f"rl-episode-{number}.mp4").replace(target)


def _make(env: EnvSpec, seed: int, record: Any = None) -> VecEnv:
    """One copy that draws, recorded if asked."""

    def wrapper(inner: gym.Env[Any, Any], index: int) -> gym.Env[Any, Any]:
        return inner if record is None else record(inner)

    drawn = {**(env.kwargs or {}), "render_mode": _MODE}
    return replace(env, vectorization="dummy").make(
        seed, n_envs=1, env_make_kwargs=drawn, post_wrappers=[wrapper]
    )


@contextmanager
def _explained(env: EnvSpec) -> Iterator[None]:
    """Turns what goes wrong with drawing into what can be done about it."""
    try:
        yield
    except AirlError:
        raise
    except DependencyNotInstalled as error:
        raise NotFoundError(
            f"{env.id} cannot draw itself: {error}.", 'Install it: pip install "airl-cli[video]"'
        ) from error
    except Exception as error:  # of OpenGL, of MuJoCo, of the environment
        reason = one_line(error)
        chosen = os.environ.get("MUJOCO_GL")
        raise InvalidValueError(
            f"{env.id} cannot be drawn here{f' (MUJOCO_GL={chosen})' if chosen else ''}: {reason}.",
            "MuJoCo needs EGL or OSMesa where there is no display (on Debian: apt install libegl1, "
            "or libosmesa6). MUJOCO_GL=egl|osmesa|glfw chooses; unset, the first that works.",
        ) from error
