"""Stable-Baselines3's PPO, in a fraction of the time."""

from __future__ import annotations

import torch as th
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import explained_variance
from stable_baselines3.common.vec_env import VecEnv

from airl_cli.generators.actor_critic import ExplicitActorCritic, unsupported
from airl_cli.generators.ppo_update import PPOSettings, PPOStats, PPOUpdate
from airl_cli.generators.rollouts import collect


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
