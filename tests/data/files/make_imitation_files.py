"""Writes the files beside it with imitation 1.0.1; README.md says how to run it."""

import dataclasses
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
from imitation.data import rollout, serialize
from imitation.data.types import TrajectoryWithRew
from imitation.data.wrappers import RolloutInfoWrapper
from stable_baselines3.common.vec_env import DummyVecEnv

FOLDER = Path(__file__).parent


def episodes() -> list[TrajectoryWithRew]:
    """CartPole with a limit of 12 steps: some episodes end by falling, some by the limit."""

    def make() -> gym.Env:
        env = gym.make("CartPole-v1", max_episode_steps=12)
        env.action_space.seed(0)
        return RolloutInfoWrapper(env)

    venv = DummyVecEnv([make])
    venv.seed(0)
    venv.action_space.seed(2)
    rng = np.random.default_rng(0)
    until = rollout.make_sample_until(min_episodes=5)
    trajectories = list(rollout.rollout(None, venv, until, rng=rng))
    # `imitation` takes every end for a terminal one; the last episode reached the limit.
    return [*trajectories[:-1], dataclasses.replace(trajectories[-1], terminal=False)]


def save_legacy(path: Path, trajectories: list[TrajectoryWithRew]) -> None:
    lengths = [len(t.acts) for t in trajectories]
    np.savez_compressed(
        path,
        obs=np.concatenate([t.obs for t in trajectories]),
        acts=np.concatenate([t.acts for t in trajectories]),
        rews=np.concatenate([t.rews for t in trajectories]),
        infos=np.concatenate(
            [np.array([{"step": i} for i in range(n)], dtype=object) for n in lengths]
        ),
        terminal=np.array([t.terminal for t in trajectories]),
        indices=np.cumsum(lengths[:-1]),
    )


def main() -> None:
    trajectories = episodes()
    shutil.rmtree(FOLDER / "imitation_dataset", ignore_errors=True)
    serialize.save(FOLDER / "imitation_dataset", trajectories)
    save_legacy(FOLDER / "imitation_legacy.npz", trajectories)
    for again in (
        serialize.load(FOLDER / "imitation_dataset"),
        serialize.load(FOLDER / "imitation_legacy.npz"),
    ):
        for a, b in zip(trajectories, again, strict=True):
            assert np.array_equal(a.obs, b.obs) and np.array_equal(a.acts, b.acts)
            assert a.terminal == b.terminal and np.array_equal(a.rews, b.rews)
    columns = {
        f"{name}_{i}": np.asarray(getattr(t, name))
        for i, t in enumerate(trajectories)
        for name in ("obs", "acts", "rews", "terminal")
    }
    np.savez(FOLDER / "expected.npz", **columns)


if __name__ == "__main__":
    main()
