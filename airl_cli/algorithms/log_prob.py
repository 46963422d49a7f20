"""log pi(a|s) of the action that reaches the environment.

Stable-Baselines3 clips the sample of an unbounded Gaussian before it steps a Box environment, so
the density of that Gaussian is not the density of the action. What arrives is a *censored*
Gaussian: the density inside the bounds, the whole tail's mass at a bound (Tobin 1958). With the
Gaussian's own density, AIRL's `- log pi` pays entropy that costs nothing, and the standard
deviation runs away. Squashed policies (SAC) have an exact density by change of variables; what
float32 rounds to the bound is treated as censored likewise.
"""

from __future__ import annotations

import math

import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import (
    DiagGaussianDistribution,
    Distribution,
    SquashedDiagGaussianDistribution,
    StateDependentNoiseDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy

from airl_cli.data.policies import takes_masks
from airl_cli.envs.masks import n_masks
from airl_cli.errors import InvalidTypeError, InvalidValueError

USABLE = "PPO, A2C, TRPO, MaskablePPO (on-policy) or SAC, TQC, CrossQ (off-policy)"
SQUASH_MARGIN = 1e-6
"""Squashed actions closer than this to a bound share the mass of their cell."""


def check_has_log_prob(algorithm: BaseAlgorithm, *, trainer: str = "AIRL") -> None:
    """Refuses generators without log-probabilities of single actions.

    Args:
        algorithm: The generator.
        trainer: What would train it: AIRL, whose discriminator needs them, or BC.

    Raises:
        InvalidTypeError: A `TypeError` that names usable generators.
    """
    policy = algorithm.policy
    name = type(algorithm).__name__
    if takes_masks(policy):
        _check_shows_masks(algorithm, trainer)
    if hasattr(policy, "lstm_actor"):
        reason = "its actions depend on a memory, so log pi(a|s) of a single step is not defined"
    elif has_log_prob(policy):
        return
    else:
        reason = f"its policy {type(policy).__name__} gives no log-probabilities of actions"
    user = "the discriminator" if trainer == "AIRL" else "the likelihood of demonstrations"
    raise InvalidTypeError(
        f"{trainer} cannot train {name}: {reason}, and {user} needs log pi(a|s).",
        f"Use {USABLE}, or trainer=gail.",
    )


def has_log_prob(policy: BasePolicy) -> bool:
    """Whether `action_log_prob` can be computed."""
    if hasattr(policy, "lstm_actor"):
        return False
    if takes_masks(policy):
        return True
    return isinstance(policy, ActorCriticPolicy) or _squashed_actor(policy) is not None


def action_log_prob(policy: BasePolicy, obs: th.Tensor, acts: th.Tensor) -> th.Tensor:
    """Log pi(a|s) of actions as the environment got them.

    Args:
        policy: An `ActorCriticPolicy`, or a policy with SAC's kind of actor.
        obs: Observations (batch, *observation shape), as the environment gives them.
        acts: Actions (batch, *action shape), clipped to the bounds of a Box.

    Returns:
        Log-probabilities (batch,): of discrete actions their mass; of Box actions the density
        with respect to length inside the bounds and to counting at them.
    """
    obs = _channels_as_policy(policy, obs)
    actor = _squashed_actor(policy)
    if actor is not None:
        mean, log_std, kwargs = actor.get_action_dist_params(obs)  # type: ignore[operator]
        distribution = actor.action_dist.proba_distribution(mean, log_std, **kwargs)  # type: ignore
        squashed = True
    elif takes_masks(policy):
        distribution = policy.get_distribution(obs, masks_in(policy, obs))  # type: ignore[operator]
        squashed = False
    else:
        assert isinstance(policy, ActorCriticPolicy)
        distribution = policy.get_distribution(obs)
        squashed = policy.squash_output
    return _log_prob(distribution, squashed, policy.action_space, acts)


def masks_in(policy: BasePolicy, obs: th.Tensor) -> th.Tensor:
    """The action masks (batch, n) at the end of observations, see `envs.MasksInObservation`."""
    return obs[:, -n_masks(policy.action_space) :] > 0.5


def check_valid(policy: BasePolicy, obs: th.Tensor, acts: th.Tensor) -> None:
    """Refuses demonstrations of a masked policy with actions that their masks forbid.

    Args:
        policy: That is to be trained on them.
        obs: Observations (batch, *observation shape).
        acts: Actions (batch, *action shape).

    Raises:
        InvalidValueError: Says how many there are.
    """
    if not takes_masks(policy):
        return
    space, masks = policy.action_space, masks_in(policy, obs)
    choices = acts.reshape(len(acts), -1).long()
    sizes = {spaces.Discrete: "n", spaces.MultiDiscrete: "nvec"}
    name = next((name for kind, name in sizes.items() if isinstance(space, kind)), None)
    options = th.as_tensor(getattr(space, name) if name else 2).flatten().expand(choices.shape[1])
    first = (options.cumsum(0) - options).to(choices.device)
    n_invalid = int((~masks.gather(1, choices + first)).any(1).sum())
    if n_invalid:
        raise InvalidValueError(
            f"{n_invalid} of {len(acts)} demonstrated actions are ones that the masks forbid.",
            "Demonstrate with expert=maskable_ppo, or use generator=ppo, which has no masks.",
        )


def _check_shows_masks(algorithm: BaseAlgorithm, trainer: str) -> None:
    venv = algorithm.get_env()
    if venv is None or venv.has_attr("n_action_masks"):
        return
    raise InvalidValueError(
        f"{trainer} needs log pi(a|s) of {type(algorithm).__name__}, which depends on the masks, "
        "and the observations do not hold them.",
        "Use env=masked env.id=... (the wrapper airl_cli.envs.MasksInObservation), or "
        "trainer=gail.",
    )


def _log_prob(
    distribution: Distribution, squashed: bool, space: spaces.Space, acts: th.Tensor
) -> th.Tensor:
    if not isinstance(space, spaces.Box):
        if isinstance(space, spaces.MultiBinary):
            acts = acts.to(th.float32)  # torch's Bernoulli takes no int8
        return distribution.log_prob(acts.reshape(len(acts), *(space.shape or ())))
    gaussian = (
        DiagGaussianDistribution,
        SquashedDiagGaussianDistribution,
        StateDependentNoiseDistribution,
    )
    if not isinstance(distribution, gaussian):
        return distribution.log_prob(acts)
    normal = distribution.distribution
    assert isinstance(normal, th.distributions.Normal)
    mean, std = normal.mean, normal.stddev
    low, high = box_bounds(space, mean.device)
    acts = acts.reshape(len(acts), -1)
    density = squashed_log_density if squashed else censored_log_density
    return density(acts, mean, std, low, high).sum(dim=1)


def box_bounds(space: spaces.Box, device: th.device) -> tuple[th.Tensor, th.Tensor]:
    """Bounds (action dimensions,) of actions, in float32 as the actions are.

    A float64 bound would lie beside what it is rounded to.
    """
    low, high = (th.as_tensor(bound, device=device).flatten() for bound in (space.low, space.high))
    return low.to(th.float32), high.to(th.float32)


def censored_log_density(
    acts: th.Tensor, mean: th.Tensor, std: th.Tensor, low: th.Tensor, high: th.Tensor
) -> th.Tensor:
    """A Gaussian clipped to [low, high]: log-density inside, log-mass of the tail at a bound.

    All arguments broadcast to (batch, action dimensions), and so does the result.
    """
    z = (acts - mean) / std
    inside = -0.5 * z.square() - th.log(std) - 0.5 * math.log(2 * math.pi)
    at_low = acts <= low
    beyond = th.where(at_low, low - mean, mean - high) / std
    at_bound = at_low | (acts >= high)
    # Only where it is needed, and of the two tails only one: the function is slow.
    return inside.masked_scatter(at_bound, th.special.log_ndtr(beyond[at_bound]))


def squashed_log_density(
    acts: th.Tensor, mean: th.Tensor, std: th.Tensor, low: th.Tensor, high: th.Tensor
) -> th.Tensor:
    """Tanh of a Gaussian, stretched to [low, high]: log-density with respect to length.

    Within `SQUASH_MARGIN` of a bound of tanh, where float32 loses the pre-image, it is the
    average density of that last cell, so that it still integrates to one (Haarnoja et al. 2018,
    appendix C, for the inside). Arguments broadcast to (batch, action dimensions).
    """
    half_width = (high - low) / 2
    squashed = (acts - low) / half_width - 1
    edge = 1 - SQUASH_MARGIN
    inner = squashed.clamp(-edge, edge)
    pre = th.atanh(inner)
    z = (pre - mean) / std
    log_normal = -0.5 * z.square() - th.log(std) - 0.5 * math.log(2 * math.pi)
    inside = log_normal - th.log1p(-inner.square())
    limit = math.atanh(edge)
    at_low = th.special.log_ndtr((-limit - mean) / std) - math.log(SQUASH_MARGIN)
    at_high = th.special.log_ndtr((mean - limit) / std) - math.log(SQUASH_MARGIN)
    unit = th.where(squashed <= -edge, at_low, th.where(squashed >= edge, at_high, inside))
    return unit - th.log(half_width)


def _squashed_actor(policy: BasePolicy) -> BasePolicy | None:
    actor = getattr(policy, "actor", None)
    usable = hasattr(actor, "get_action_dist_params") and hasattr(actor, "action_dist")
    return actor if usable else None


def _channels_as_policy(policy: BasePolicy, obs: th.Tensor) -> th.Tensor:
    shape = policy.observation_space.shape
    if shape is not None and len(shape) == 3 and tuple(obs.shape[1:]) != shape:
        return obs.permute(0, 3, 1, 2)  # SB3 trains image policies channels first
    return obs
