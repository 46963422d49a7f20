"""Stable-Baselines3's PPO, in a fraction of the time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.generators.actor_critic import ExplicitActorCritic, unsupported
from airl_cli.generators.update import PPOSettings, PPOStats, PPOUpdate


class FastPPO(PPO):
    """PPO as in Stable-Baselines3 (Schulman et al. 2017), to floating-point error, but faster.

    Arguments, results, files, callbacks and logged values are `stable_baselines3.PPO`'s, and so
    are the random numbers: the same seed gives the same policy up to rounding. What differs is how
    it is computed, for policies of small multilayer perceptrons (SB3's `MlpPolicy`, also with
    `NormalizedFeatures`; Box and Discrete actions):

    - gradients are written out instead of recorded by autograd, parameters lie in one vector, and
      nothing waits for a number that is only logged;
    - while acting, only the actor computes. Values and log-probabilities follow for the whole
      rollout at once; a callback's `locals` do not hold them during the rollout.

    Everything else (CNNs, generalised state-dependent exploration, other buffers) is handed to
    SB3's own code.
    """

    _explicit: ExplicitActorCritic | None = None

    @property
    def is_fast(self) -> bool:
        """Whether policy and buffer are of the kinds that are computed faster."""
        return type(self.rollout_buffer) is RolloutBuffer and not unsupported(self.policy)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_explicit"]

    def _net(self) -> ExplicitActorCritic:
        if self._explicit is None or self._explicit.policy is not self.policy:
            self._explicit = ExplicitActorCritic(self.policy)
        self._explicit.refresh()
        return self._explicit

    # -- acting --------------------------------------------------------------------------------

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """As SB3's; see there."""
        if not self.is_fast or rollout_buffer is not self.rollout_buffer:
            return super().collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)
        return collect(self, self._net(), env, callback, n_rollout_steps)

    # -- learning ------------------------------------------------------------------------------

    def train(self) -> None:
        """Updates the policy on the rollout (Schulman et al. 2017, equations 7 and 9)."""
        if not self.is_fast:
            return super().train()
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        settings = self._settings()
        with th.no_grad():
            net = self._net()
            stats = PPOUpdate(net, self.rollout_buffer, settings).run()
            net.publish()
        if stats.stopped and self.verbose >= 1:
            print(
                f"Early stopping at step {stats.epochs - 1} due to reaching max kl: "
                f"{stats.last_kl:.2f}"
            )
        self._n_updates += stats.epochs
        self._log(stats, settings)

    def _settings(self) -> PPOSettings:
        remaining = self._current_progress_remaining
        clip_vf = self.clip_range_vf
        return PPOSettings(
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            clip_range=float(self.clip_range(remaining)),  # type: ignore[operator]
            clip_range_vf=None if clip_vf is None else float(clip_vf(remaining)),  # type: ignore[operator]
            normalize_advantage=self.normalize_advantage,
            ent_coef=self.ent_coef,
            vf_coef=self.vf_coef,
            max_grad_norm=self.max_grad_norm,
            target_kl=self.target_kl,
        )

    def _log(self, stats: PPOStats, settings: PPOSettings) -> None:
        """Records what SB3's PPO records."""
        buffer = self.rollout_buffer
        record = self.logger.record
        record("train/entropy_loss", stats.entropy_loss)
        record("train/policy_gradient_loss", stats.policy_loss)
        record("train/value_loss", stats.value_loss)
        record("train/approx_kl", stats.approx_kl)
        record("train/clip_fraction", stats.clip_fraction)
        record("train/loss", stats.loss)
        variance = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
        record("train/explained_variance", variance)
        if hasattr(self.policy, "log_std"):
            record("train/std", th.exp(self.policy.log_std).mean().item())
        record("train/n_updates", self._n_updates, exclude="tensorboard")
        record("train/clip_range", settings.clip_range)
        if settings.clip_range_vf is not None:
            record("train/clip_range_vf", settings.clip_range_vf)


# -- the rollout, of which only the actor is computed step by step ---------------------------------


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
        callback: Called at every step.
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
        # With gradients enabled, as in SB3: a callback may train on the rollout.
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
