"""Policy and rewards of a run directory, without executing anything that lies in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium import spaces
from pydantic import BaseModel
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import get_flattened_obs_dim

from airl_cli.algorithms.absorbing import LARGEST
from airl_cli.algorithms.gail import RewardFromDiscriminator
from airl_cli.data.spaces import space_from_dict
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError, NotFoundError
from airl_cli.nodes import with_current_names
from airl_cli.policy_building import rebuild_policy
from airl_cli.rewards import BoundedRewardNet, RewardNet, ShiftedRewardNet
from airl_cli.runs import layout, schema, summary
from airl_cli.runs.authorship import reader_of
from airl_cli.runs.checkpoint import find_checkpoint
from airl_cli.runs.hub import local_run
from airl_cli.runs.vocabulary import Received, check_size, made, not_too_deep
from airl_cli.serialization import load_weights, read_json
from airl_cli.text import printable

RewardPair = tuple[RewardNet, RewardNet]

OWN_KEYS = {
    "trainer": ("total_timesteps", "checkpoint_every", "keep_checkpoints", "checkpoint_share"),
    "generator": ("warm_start",),
}
"""By section, what the command reads itself."""


@dataclass(frozen=True, repr=False)
class LoadedRun:
    """What a run left behind, ready for use.

    Attributes:
        path: The run directory.
        checkpoint: The folder that the weights came from.
        config: The run's config, resolved; plain data.
        result: `result.json`; None where the run did not finish.
        observation_space: Of one environment.
        action_space: Likewise.
        policy: The learner; `policy.predict(obs)`.
        rewards: `reward_train` and `reward_test`; None where no reward was learned.
    """

    path: Path
    checkpoint: Path
    config: Mapping[str, Any]
    result: Mapping[str, Any] | None
    observation_space: spaces.Space
    action_space: spaces.Space
    policy: BasePolicy
    rewards: RewardPair | None

    def __str__(self) -> str:
        """The run in about ten lines."""
        return summary.as_text(summary.facts(self.path, self.config, self.result))

    def __repr__(self) -> str:
        return f"LoadedRun({str(self.path)!r})"

    def _repr_html_(self) -> str:
        rows = summary.facts(self.path, self.config, self.result)
        return summary.as_html(rows, self.path, self.result)

    @property
    def reward_train(self) -> RewardNet:
        """The net that trained the policy, shaping included; errors as for `reward_test`."""
        return _learned(self.path, self.rewards)[0]

    @property
    def reward_test(self) -> RewardNet:
        """The net to use again.

        `predict(state, action, next_state, done)` on NumPy batches gives rewards (batch,).

        Raises:
            InvalidValueError: The run learned none: behaviour cloning.
        """
        return _learned(self.path, self.rewards)[1]

    @property
    def recovers_reward(self) -> bool:
        """Whether `reward_test` is meant as a reward; the discriminator of GAIL is not."""
        return not isinstance(self.reward_test, RewardFromDiscriminator)

    @property
    def absorbing_logit(self) -> float:
        """What the absorbing state is worth under the learned reward; 0 where it is not known."""
        return 0.0 if not self.recovers_reward else _absorbing_logit(self.result)

    def part(self, name: str, *, trusted: Sequence[str] = ()) -> Any:
        """What a section of the recorded config describes: `env`, `expert`, `generator`.

        `evaluation` and `training` are the checked settings of evaluation and of the rounds.

        Raises:
            InvalidValueError: If it is not within the schema of recorded configs.
        """
        reader = reader_of(self.path, trusted)
        models: dict[str, type[BaseModel]] = {
            "training": schema.RoundFields,
            "evaluation": schema.EvaluationFields,
        }
        if name in models:
            node = self.config.get("trainer" if name == "training" else name)
            if not isinstance(node, Mapping):
                raise InvalidValueError(f"the run's config has no {name!r} section")
            return reader.checked(models[name], node)
        return reader.read(self.config, name, *OWN_KEYS.get(name, ()))

    def env_spec(self, *, trusted: Sequence[str] = ()) -> EnvSpec:
        """The environment of the run; errors as for `part`."""
        spec: EnvSpec = self.part("env", trusted=trusted)
        return spec

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(Received().checked(schema.RunFields, self.config)["seed"])


def load_run(
    path: str | Path,
    *,
    checkpoint: str | int | None = None,
    device: str = "cpu",
    trusted: Sequence[str] = (),
) -> LoadedRun:
    """Policy, rewards and config of a run directory.

    Nothing of the directory is executed: its config is data within a schema, whose classes are
    those of a closed list, and weights are safetensors.

    Args:
        path: The run directory, or `hf://owner/name[@revision]` on the Hugging Face Hub.
        checkpoint: Name of a folder under `checkpoints/`; by default `final`, or the newest one.
        device: Where the nets compute.
        trusted: Packages of your own that the config may name, e.g. `("my_nets",)`. A config that
            you recorded on this machine yourself may name the package of its environment.

    Raises:
        NotFoundError: If it is no run directory, or has no (such) weights.
        InvalidValueError: If a file is damaged, the config is not within the schema, or weights
            and config do not fit each other.
    """
    folder = local_run(path)
    config, observation_space, action_space = _read_structure(folder)
    received = reader_of(folder, trusted)
    received.checked(schema.RunFields, config)
    weights = find_checkpoint(folder, checkpoint)
    rewards = _load_rewards(received, config, observation_space, action_space, weights, device)
    algorithm = received.read(config, "generator", *OWN_KEYS["generator"])
    policy = made(
        rebuild_policy,
        *(algorithm, observation_space, action_space, weights / layout.POLICY_WEIGHTS),
        device=device,
    )
    return LoadedRun(
        path=folder,
        checkpoint=weights,
        config=config,
        result=_read_result(folder / layout.RESULT),
        observation_space=observation_space,
        action_space=action_space,
        policy=policy,
        rewards=rewards,
    )


def load_reward(
    path: str | Path,
    *,
    checkpoint: str | int | None = None,
    device: str = "cpu",
    trusted: Sequence[str] = (),
    bounded: bool = True,
) -> RewardNet:
    """Just the learned reward of a run directory (`reward_test`), to train a policy on.

    `predict(state, action, next_state, done)` on NumPy batches gives rewards (batch,) float32.
    Where episodes ended early in training, they are relative to the absorbing state, so that a
    terminal state is worth 0, as RL libraries have it.

    Args:
        path: As in `load_run`, and so are `checkpoint`, `device` and `trusted`.
        checkpoint: See there.
        device: See there.
        trusted: See there.
        bounded: Keep rewards within the range in which they were learned (`reward_range` of
            `result.json`); False: the net as it is.

    Raises:
        AirlError: As `load_run`; `InvalidValueError` also where the run learned no reward.
    """
    folder = local_run(path)
    config, observation_space, action_space = _read_structure(folder)
    weights = find_checkpoint(folder, checkpoint)
    received = reader_of(folder, trusted)
    rewards = _load_rewards(received, config, observation_space, action_space, weights, device)
    learned = _learned(folder, rewards)[1]
    result = _read_result(folder / layout.RESULT)
    known, logit = _reward_range(result), _absorbing_logit(result)
    reward = learned if known is None or not bounded else BoundedRewardNet(learned, *known)
    if logit == 0 or isinstance(learned, RewardFromDiscriminator):
        return reward
    return ShiftedRewardNet(reward, -logit)


def _reward_range(result: Mapping[str, Any] | None) -> tuple[float, float] | None:
    """From `result.json`; None where there is none, or what is there is no range."""
    known = (result or {}).get("reward_range")
    if not isinstance(known, list) or len(known) != 2:
        return None
    low, high = map(summary.number_of, known)
    return (low, high) if -1e30 < low < high < 1e30 else None


def _absorbing_logit(result: Mapping[str, Any] | None) -> float:
    """From `result.json`; a received number counts only within the limits of what is written."""
    logit = summary.number_of((result or {}).get("absorbing_logit"))
    return logit if abs(logit) <= LARGEST else 0.0


def _read_structure(folder: Path) -> tuple[Mapping[str, Any], spaces.Space, spaces.Space]:
    config = read_config(folder)
    found = read_spaces(folder)
    if found is None:
        raise NotFoundError(f"{folder} has no {layout.SPACES}: the run ended before it trained")
    check_size(config, n_inputs(*found))
    return config, *found


def read_config(folder: Path) -> dict[str, Any]:
    """The recorded config of a run directory, as plain data with today's names of classes.

    Raises:
        NotFoundError: If it is none.
        InvalidValueError: If the config is damaged, or something in the directory is a link that
            leads out of it, or no regular file.
    """
    if not (folder / layout.CONFIG).is_file():
        raise NotFoundError(
            f"{printable(str(folder), 200)} is not a run directory: there is no {layout.CONFIG}",
            "Give a directory that `airl train` made, e.g. outputs/train/<env>/<time>.",
        )
    layout.refuse_links(folder)
    config = read_json(folder / layout.CONFIG)
    if not isinstance(config, dict):
        raise InvalidValueError(f"{folder / layout.CONFIG} is damaged: it holds no mapping")
    return with_current_names(not_too_deep(config))


def read_spaces(folder: Path) -> tuple[spaces.Space, spaces.Space] | None:
    """Observation and action space of a run; None if it ended before it had any.

    Raises:
        InvalidValueError: If the file is damaged.
    """
    path = folder / layout.SPACES
    if not path.is_file():
        return None
    both = read_json(path)
    if not isinstance(both, dict) or set(both) != {"observation_space", "action_space"}:
        raise InvalidValueError(f"{path} is damaged")
    found = [space_from_dict(both[name]) for name in ("observation_space", "action_space")]
    return found[0], found[1]


def n_inputs(observation_space: spaces.Space, action_space: spaces.Space) -> int:
    """Numbers that a net may get: two observations, an action and a flag."""
    sizes = [get_flattened_obs_dim(space) for space in (observation_space, action_space)]
    return 2 * sizes[0] + sizes[1] + 1


def _read_result(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict):
        raise InvalidValueError(f"{path} is damaged: it holds no mapping")
    return content


def _load_rewards(
    received: Received,
    config: Mapping[str, Any],
    observation_space: spaces.Space,
    action_space: spaces.Space,
    weights: Path,
    device: str,
) -> RewardPair | None:
    trainer = received.read(config, "trainer", *OWN_KEYS["trainer"])
    if not trainer.func.learns_reward:
        return None
    net = made(received.read(config, "reward"), observation_space, action_space)
    load_weights(net, weights / layout.REWARD_WEIGHTS)
    net.to(device).eval()
    pair: RewardPair = trainer.func.rewards_of(net)
    return pair


def _learned(run: Path, rewards: RewardPair | None) -> RewardPair:
    if rewards is None:
        raise InvalidValueError(
            f"{run} is a run of behaviour cloning, which learns no reward.",
            "Give a run of trainer=airl.",
        )
    return rewards
