"""The environments of this package, under Gymnasium's namespace `airl/`."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

# By the name of a module, not as classes: the ant's imports MuJoCo.
_ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "airl/PointMaze-v0": {
        "entry_point": "airl_cli.envs.point_maze:PointMazeEnv",
        "max_episode_steps": 100,
    },
    "airl/Ant-v0": {
        "entry_point": "airl_cli.envs.ant:AntEnv",
        "max_episode_steps": 500,
    },
    "airl/DisabledAnt-v0": {
        "entry_point": "airl_cli.envs.ant:AntEnv",
        "max_episode_steps": 500,
        "kwargs": {"disabled": True},
    },
    "airl/CartPole-v0": {
        "entry_point": "airl_cli.envs.cart_pole:CartPolePhysicsEnv",
        "max_episode_steps": 500,
    },
}


def register_environments() -> None:
    """Make them known to Gymnasium, once."""
    for env_id, arguments in _ENVIRONMENTS.items():
        if env_id not in gym.registry:
            gym.register(env_id, **arguments)
