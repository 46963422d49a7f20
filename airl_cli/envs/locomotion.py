"""HalfCheetah and Hopper with other bodies or gravity, of Gymnasium's models."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from typing import Any, Literal

import mujoco
import numpy as np
from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv
from gymnasium.envs.mujoco.hopper_v5 import HopperEnv
from gymnasium.envs.mujoco.mujoco_env import expand_model_path

from airl_cli.limits import NonNegative, Positive, check_limits

Leg = Literal["none", "front", "back"]

_GRAVITY = 9.81
_CRIPPLED_GEAR = 0.01  # of the motors of a crippled leg, as a share of what they were
_THIGH = 0.45  # metres, in Gymnasium's hopper.xml
_CHEETAH_CONTROL_COST, _HOPPER_CONTROL_COST = 0.1, 1e-3  # Gymnasium's defaults, as the next two
_UPRIGHT, _STANDING = 0.2, 0.7  # rad from upright, and metres of the torso: healthy


class HalfCheetahPhysicsEnv(HalfCheetahEnv):
    """`airl/HalfCheetah-v0`: 1,000 steps of 0.05 s; run along x, on two legs or on one.

    Observation (17,) float64: joint positions without x (8), joint velocities (9). Action (6,) in
    [-1, 1]: torques in units of the motors' gears.
    Reward: the torso's velocity along x (m/s) minus 0.1 times the squared norm of the action, both
    where the action is taken, so that it depends on the observation and the action only.

    Args:
        crippled_leg: The leg whose motors have a hundredth of their strength.
        gravity: In metres per second squared.
        **kwargs: For Gymnasium's environment: `render_mode`, `width`, ...

    Raises:
        InvalidValueError: If an argument has no physical meaning.
    """

    def __init__(
        self, crippled_leg: Leg = "none", gravity: NonNegative = _GRAVITY, **kwargs: Any
    ) -> None:
        check_limits(type(self), locals())
        super().__init__(**kwargs)
        self.model.opt.gravity[2] = -gravity
        if crippled_leg != "none":
            for part in ("thigh", "shin", "foot"):
                name = crippled_leg[0] + part
                motor = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_ACTUATOR, name)
                self.model.actuator_gear[motor] *= _CRIPPLED_GEAR

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """Drives the motors for 0.05 s; an episode never terminates."""
        velocity = float(self.data.qvel[0])
        obs, _, terminated, truncated, info = super().step(action)
        return obs, velocity - float(self.control_cost(action)), terminated, truncated, info

    def true_reward(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
    ) -> np.ndarray:
        """The reward of any transitions, to compare a learned one with.

        Observations are (n, 17), actions (n, 6), rewards (n,); `next_state` and `done` are unused.
        """
        return state[:, 8] - _CHEETAH_CONTROL_COST * np.square(action).sum(1)


class HopperPhysicsEnv(HopperEnv):
    """`airl/Hopper-v0`: 1,000 steps of 0.008 s; hop along x, with a thigh of any length.

    Observation (11,) float64: joint positions without x (5), joint velocities clipped to
    [-10, 10] (6). Action (3,) in [-1, 1]: torques in units of 200 N m.
    Reward: the torso's velocity along x (m/s), plus 1 while the torso is upright and above 0.7 m,
    minus 0.001 times the squared norm of the action, all of it where the action is taken. An
    episode does not end when the hopper falls.

    Args:
        thigh_length: In metres.
        gravity: In metres per second squared.
        **kwargs: For Gymnasium's environment: `render_mode`, `width`, ...

    Raises:
        InvalidValueError: If an argument has no physical meaning.
    """

    def __init__(
        self, thigh_length: Positive = _THIGH, gravity: NonNegative = _GRAVITY, **kwargs: Any
    ) -> None:
        check_limits(type(self), locals())
        kwargs = {"terminate_when_unhealthy": False, **kwargs}
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:  # MujocoEnv wants a file
            file.write(hopper_xml(thigh_length))
            file.flush()
            super().__init__(xml_file=file.name, **kwargs)
        self.model.opt.gravity[2] = -gravity

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """Drives the motors for 0.008 s; an episode never terminates."""
        reward = float(np.clip(self.data.qvel[0], -10, 10)) + float(self.is_healthy)
        obs, _, terminated, truncated, info = super().step(action)
        return obs, reward - float(self.control_cost(action)), terminated, truncated, info

    def true_reward(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
    ) -> np.ndarray:
        """The reward of any transitions, to compare a learned one with.

        Observations are (n, 11), actions (n, 3), rewards (n,); `next_state` and `done` are unused.
        """
        standing = (np.abs(state[:, 1]) < _UPRIGHT) & (state[:, 0] > _STANDING)
        return state[:, 5] + standing - _HOPPER_CONTROL_COST * np.square(action).sum(1)


def hopper_xml(thigh_length: float) -> str:
    """Gymnasium's model of the hopper, whose thigh has another length; the torso moves up by it."""
    root = ET.parse(expand_model_path("hopper.xml")).getroot()
    torso, thigh, leg = (_body(root, name) for name in ("torso", "thigh", "leg"))
    longer = thigh_length - _THIGH
    _move(torso, longer)
    for joint in torso.findall("joint"):
        if joint.attrib["name"] == "rootz":
            joint.set("ref", str(float(joint.attrib["ref"]) + longer))
        if joint.attrib["name"] in ("rootx", "rootz"):
            _move(joint, -longer)
    _move(leg, -longer)
    geom = thigh.find("geom")
    assert geom is not None
    radius, half = map(float, geom.attrib["size"].split())
    geom.set("size", f"{radius} {half + longer / 2}")
    _move(geom, -longer / 2)
    return ET.tostring(root, encoding="unicode")


def _body(root: ET.Element, name: str) -> ET.Element:
    found = root.find(f".//body[@name='{name}']")
    if found is None:
        raise RuntimeError(f"this version of Gymnasium's hopper.xml has no body {name}")
    return found


def _move(element: ET.Element, upwards: float) -> None:
    x, y, z = map(float, element.attrib["pos"].split())
    element.set("pos", f"{x} {y} {z + upwards}")
