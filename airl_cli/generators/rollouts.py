"""PPO's rollout, of which only the actor is computed step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.generators.actor_critic import ExplicitActorCritic


def collect(
    algorithm: OnPolicyAlgorithm,
    net: ExplicitActorCritic,
    env: VecEnv,
    callback: BaseCallback,
    n_steps: int,
) -> bool:
    """Fills the algorithm's rollout buffer, as `OnPolicyAlgorithm.collect_rollouts` does.

    Args:
        algorithm: Its counters, buffer and last observation go on.
        net: Its policy.
        env: Where to act.
        callback: Told of every step.
        n_steps: Steps of every environment; the buffer's size.

    Returns:
        False where the callback ended the rollout.

    Raises:
        ValueError: An action that is NaN or infinite.
    """
    return _Collector(algorithm, net, env, callback).run(n_steps)


class _Collector:
    def __init__(
        self,
        algorithm: OnPolicyAlgorithm,
        net: ExplicitActorCritic,
        env: VecEnv,
        callback: BaseCallback,
    ) -> None:
        self.algorithm, self.net, self.env, self.callback = algorithm, net, env, callback
        self.buffer = algorithm.rollout_buffer
        self.device = net.flat.values.device
        self.outputs: list[th.Tensor] = []
        self.truncated: list[tuple[int, int, np.ndarray]] = []
        space = algorithm.action_space
        self.discrete = not isinstance(space, spaces.Box)
        if isinstance(space, spaces.Box):
            self.low = th.as_tensor(space.low, device=self.device)
            self.high = th.as_tensor(space.high, device=self.device)

    def run(self, n_rollout_steps: int) -> bool:
        self.algorithm.policy.set_training_mode(False)
        self.buffer.reset()
        self.callback.on_rollout_start()
        with th.no_grad():
            self.net.head.begin()
            self.features = self.net.features_function()
        for n_steps in range(n_rollout_steps):
            if not self._step(n_steps):
                return False
        with th.no_grad():
            last_values = self._fill_in()
        # Not without gradients: whoever prices the rollout here may train a reward on it first.
        dones = self.algorithm._last_episode_starts
        assert dones is not None
        self.buffer.compute_returns_and_advantage(last_values=last_values, dones=dones)
        self.callback.update_locals({"self": self.algorithm, "rollout_buffer": self.buffer})
        self.callback.on_rollout_end()
        return True

    def _step(self, n_steps: int) -> bool:
        algorithm, buffer = self.algorithm, self.buffer
        obs = algorithm._last_obs
        assert isinstance(obs, np.ndarray)
        with th.no_grad():
            actions, clipped_actions = self._act(obs)
        new_obs, rewards, dones, infos = self.env.step(clipped_actions)
        algorithm.num_timesteps += self.env.num_envs
        seen = {**locals(), "self": algorithm, "env": self.env, "rollout_buffer": buffer}
        self.callback.update_locals(seen)
        if not self.callback.on_step():
            return False
        algorithm._update_info_buffer(infos, dones)
        if dones.any():
            self._note_truncations(n_steps, dones, infos)
        buffer.observations[n_steps] = obs.reshape(buffer.observations.shape[1:])
        buffer.actions[n_steps] = actions.reshape(buffer.actions.shape[1:])
        buffer.rewards[n_steps] = rewards
        buffer.episode_starts[n_steps] = algorithm._last_episode_starts
        algorithm._last_obs = new_obs  # type: ignore[assignment]
        algorithm._last_episode_starts = dones
        return True

    def _act(self, obs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Actions as the buffer keeps them, and as the environments take them."""
        features = self.features(th.as_tensor(obs, device=self.device))
        outputs = self.net.actor(features)
        self.outputs.append(outputs)
        sampled = self.net.head.sample(outputs)
        actions = sampled.cpu().numpy()
        if not np.isfinite(outputs.cpu().numpy() if self.discrete else actions).all():
            raise ValueError("NaN or infinity in what the policy says about actions")
        if self.discrete:
            return actions, actions[:, 0]
        shape = (-1, *self.low.shape)
        return actions, sampled.view(shape).clamp(self.low, self.high).cpu().numpy()

    def _note_truncations(
        self, n_steps: int, dones: np.ndarray, infos: list[dict[str, Any]]
    ) -> None:
        for index in np.flatnonzero(dones):
            last = infos[index].get("terminal_observation")
            if last is not None and infos[index].get("TimeLimit.truncated", False):
                self.truncated.append((n_steps, int(index), last))

    def _fill_in(self) -> th.Tensor:
        """Values, log-probabilities and bootstraps of the whole rollout; gives the last values."""
        buffer, algorithm = self.buffer, self.algorithm
        shape = (buffer.buffer_size, buffer.n_envs)
        flat = (shape[0] * shape[1], -1)
        obs = buffer.observations.reshape(-1, *buffer.observations.shape[2:])
        actions = th.as_tensor(buffer.actions.reshape(flat), device=self.device)
        outputs = th.stack(self.outputs).flatten(0, 1)
        log_probs = self.net.head.log_prob(outputs, self.net.head.encode(actions))
        buffer.values[:] = self._values(obs).reshape(shape)
        buffer.log_probs[:] = log_probs.cpu().numpy().reshape(shape)
        if self.truncated:
            steps, envs, last = zip(*self.truncated, strict=True)
            values = self._values(np.stack(last))
            buffer.rewards[list(steps), list(envs)] += algorithm.gamma * values
        buffer.pos, buffer.full = shape[0], True
        assert isinstance(algorithm._last_obs, np.ndarray)
        return th.from_numpy(self._values(algorithm._last_obs))

    def _values(self, obs: np.ndarray) -> np.ndarray:
        features = self.features(th.as_tensor(obs, device=self.device))
        return self.net.critic(features).squeeze(1).cpu().numpy()
