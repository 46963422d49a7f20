"""The Ant, whole and with two crippled legs (Fu et al. 2018, section 7.2)."""

from __future__ import annotations

import tempfile
import xml.etree.ElementTree as ET
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.mujoco_env import MujocoEnv, expand_model_path

GEAR, DISABLED_GEAR = 30, 1
DISABLED_LEGS = ("back_leg", "right_back_leg")
SHRINKAGE = 0.5
FRAME_SKIP = 5
CONTROL_COST, CONTACT_COST, FLIPPED_COST = 0.01, 5e-4, 1.0
LOWEST_TORSO = 0.2
RESET_NOISE = 0.1
_CAMERA = {"distance": 4.0}


class AntEnv(MujocoEnv):
    """`airl/Ant-v0` and `airl/DisabledAnt-v0`: 500 steps of 0.05 s; walk along x.

    The model is Gymnasium's `ant.xml` with motors of gear 30. Of the disabled ant, the two hind
    legs have thighs and shins of half the length and motors of gear 1.

    Observation (105,) float32: joint positions without the torso's x and y (13), joint velocities
    (14), contact forces on the 13 bodies clipped to [-1, 1] (78).
    Action (8,) float32 in [-1, 1]: torques in units of the gear; what is outside is clipped.
    Reward: the torso's velocity along x (m/s), minus 0.01 times the squared norm of the action,
    minus 0.0005 times that of the clipped contact forces, minus 1 while the torso is below 0.2 m;
    all of it where the action is taken, so that it depends on the observation and the action only.
    Its terms are in `info`.

    Args:
        disabled: Cripple two legs.
        **kwargs: For `gymnasium.envs.mujoco.MujocoEnv`: `render_mode`, `width`, `camera_name`, ...
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"],
        "render_fps": 20,
    }

    def __init__(self, disabled: bool = False, **kwargs: Any) -> None:
        self.disabled = disabled
        kwargs = {"default_camera_config": _CAMERA, **kwargs}
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:  # MujocoEnv wants a file
            file.write(ant_xml(disabled))
            file.flush()
            super().__init__(file.name, FRAME_SKIP, observation_space=None, **kwargs)
        size = self._observation().size
        self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:  # type: ignore[override]
        """Drive the motors for 0.05 s; an episode never terminates."""
        control = np.clip(action, -1.0, 1.0)
        terms = {
            "reward_forward": float(self.data.qvel[0]),
            "reward_control": -CONTROL_COST * float(np.square(control).sum()),
            "reward_contact": -CONTACT_COST * float(np.square(self._contact_forces()).sum()),
            "reward_flipped": -FLIPPED_COST * float(self.data.qpos[2] < LOWEST_TORSO),
        }
        self.do_simulation(control, self.frame_skip)
        if self.render_mode == "human":
            self.render()
        return self._observation(), sum(terms.values()), False, False, terms

    def true_reward(
        self, state: np.ndarray, action: np.ndarray, next_state: np.ndarray, done: np.ndarray
    ) -> np.ndarray:
        """The reward of any transitions, to compare a learned one with.

        Observations are (n, 105), actions (n, 8), rewards (n,); `next_state` and `done` are unused.
        """
        height, velocity, forces = state[:, 0], state[:, 13], state[:, 27:]
        return (
            velocity
            - CONTROL_COST * np.square(np.clip(action, -1, 1)).sum(1)
            - CONTACT_COST * np.square(forces).sum(1)
            - FLIPPED_COST * (height < LOWEST_TORSO)
        )

    def reset_model(self) -> np.ndarray:
        """Put the ant near its initial posture, with noise as Gymnasium's Ant."""
        noise = self.np_random.uniform(-RESET_NOISE, RESET_NOISE, self.model.nq)
        velocity = RESET_NOISE * self.np_random.standard_normal(self.model.nv)
        self.set_state(self.init_qpos + noise, self.init_qvel + velocity)
        return self._observation()

    def _contact_forces(self) -> np.ndarray:
        # Without the world's row, which MuJoCo leaves at zero.
        return np.clip(self.data.cfrc_ext[1:], -1.0, 1.0).ravel()

    def _observation(self) -> np.ndarray:
        parts = (self.data.qpos[2:], self.data.qvel, self._contact_forces())
        return np.concatenate(parts, dtype=np.float32)


def ant_xml(disabled: bool) -> str:
    """Gymnasium's model of the ant with this module's motors and, if `disabled`, legs."""
    root = ET.parse(expand_model_path("ant.xml")).getroot()
    weak_joints = set()
    if disabled:
        for leg in DISABLED_LEGS:
            thigh = _found(root, f".//body[@name='{leg}']/body")
            _shrink(thigh)
            weak_joints |= {joint.get("name") for joint in thigh.iter("joint")}
    for motor in root.iter("motor"):
        motor.set("gear", str(DISABLED_GEAR if motor.get("joint") in weak_joints else GEAR))
    return ET.tostring(root, encoding="unicode")


def _shrink(thigh: ET.Element) -> None:
    """Shorten thigh and shin; the shin moves up to where the thigh now ends."""
    shin = _found(thigh, "body")
    _scale(_found(thigh, "geom"), "fromto")
    _scale(shin, "pos")
    _scale(_found(shin, "geom"), "fromto")


def _scale(element: ET.Element, attribute: str) -> None:
    numbers = [SHRINKAGE * float(number) for number in element.attrib[attribute].split()]
    element.set(attribute, " ".join(map(str, numbers)))


def _found(element: ET.Element, path: str) -> ET.Element:
    found = element.find(path)
    if found is None:
        raise RuntimeError(f"this version of Gymnasium's ant.xml has no {path}")
    return found
