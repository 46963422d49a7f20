"""What a recorded config may say: every argument with its type and bounds.

A run directory can come from anywhere, so its config is data with a schema. There is one model
for each kind of part; the classes themselves check what their arguments mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from airl_cli.errors import InvalidValueError

MAX_WIDTH = 2**13
"""Units of a layer."""
MAX_ARGUMENTS = 64
_MAX_DEPTH, _MAX_ITEMS = 8, 1000
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_PLAIN_WORD = re.compile(r"[\w+-][\w.+ -]{0,63}")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("a finite number is wanted")
    return value


def _no_trust_pickle(value: Any) -> Any:
    if value:
        raise InvalidValueError(
            "a received config may not ask for a pickle to be loaded, which could run any code",
            "Type expert.trust_pickle=true in a run of your own if you trust it.",
        )
    return value


def _no_download(value: Any) -> Any:
    if value:
        raise InvalidValueError(
            "a received config may not ask for a download",
            "Type expert=minari expert.dataset=... expert.download=true if you want it.",
        )
    return value


def _part(kind: str) -> BeforeValidator:
    """The object that a node with a `_target_` describes; see `vocabulary.Received`."""

    def read(node: Any, info: ValidationInfo) -> Any:
        return _context(info).value(node, kind)

    return BeforeValidator(read)


def _context(info: ValidationInfo) -> Any:
    """The `vocabulary.Received` that is reading."""
    return info.context


def _number_or_schedule(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Mapping):
        return _context(info).value(value, "schedule")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e12:
        raise ValueError("a number of 0 or more is wanted, or a schedule")
    return value


def plain(value: Any, info: ValidationInfo, depth: int = 0) -> Any:
    """Numbers, booleans, words, and lists and mappings of these; no paths, no names of modules.

    Raises:
        ValueError: For anything else, or too much of it.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    word = not isinstance(value, str) or value == "" or _PLAIN_WORD.fullmatch(value)
    if not word and not _context(info).trusted:
        raise ValueError("a text here is a plain word, not a path or the like")
    if isinstance(value, float):
        _finite(value)
    elif isinstance(value, int) and abs(value) > 2**53:
        raise ValueError("the number is too large")
    elif isinstance(value, list):
        _few(value)
        return [plain(item, info, depth + 1) for item in value]
    elif isinstance(value, Mapping):
        _few(value)
        return {_identifier(key): plain(item, info, depth + 1) for key, item in value.items()}
    elif value is not None and not isinstance(value, (bool, int, str)):
        raise ValueError(f"a {type(value).__name__} is not plain data")
    return value


def _few(items: Any) -> None:
    if len(items) > _MAX_ITEMS:
        raise ValueError(f"it has more than {_MAX_ITEMS} items")


def _identifier(key: Any) -> str:
    if not isinstance(key, str) or not _IDENTIFIER.fullmatch(key):
        raise ValueError("an argument's name is an identifier")
    return key


# Numbers keep the type that they are written with: it is part of a cached expert's name.
Number = Annotated[int | float, AfterValidator(_finite), Field(ge=-1e12, le=1e12)]
NotNegative = Annotated[int | float, AfterValidator(_finite), Field(ge=0, le=1e12)]
Fraction = Annotated[int | float, AfterValidator(_finite), Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
CountOrZero = Annotated[int, Field(ge=0, le=10**9)]
Integer = Annotated[int, Field(ge=-(10**9), le=10**9)]
Few = Annotated[int, Field(ge=1, le=64)]
Envs = Annotated[int, Field(ge=1, le=1024)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Sizes = Annotated[list[Width], Field(max_length=16)]
Word = Annotated[str, Field(pattern=r"^[\w.+-]{1,64}$")]
Path = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,2})?|mps|xpu(:\d{1,2})?)$")]
Rate = Annotated[Any, BeforeValidator(_number_or_schedule)]
Plain = Annotated[dict[str, Any], Field(max_length=MAX_ARGUMENTS), BeforeValidator(plain)]


class Fields(BaseModel):
    """Arguments of one kind of part; those that are not written keep the class's defaults."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class Nothing(Fields):
    """No arguments."""


class EnvFields(Fields):
    """Of `EnvSpec` and its kin."""

    id: Annotated[str, BeforeValidator(lambda value, info: info.context.env_id(value))] = ""
    import_module: Annotated[
        str | None, BeforeValidator(lambda value, info: info.context.env_module(value))
    ] = None
    n_envs: Envs = 1
    max_episode_steps: Count | None = None
    kwargs: Plain | None = None
    vectorization: Literal["dummy", "subproc", "threads", "native"] = "dummy"
    history: Annotated[int, Field(ge=1, le=1000)] = 1
    wrappers: Annotated[list[Annotated[Any, _part("wrapper")]], Field(max_length=16)] = []
    direction: Literal["left", "right"] = "left"
    crippled_leg: Literal["none", "front", "back"] = "none"
    length: Number = 0
    thigh_length: Number = 0
    mass: Number = 0
    masspole: Number = 0
    force_mag: Number = 0
    gravity: Number = 0


class WrapperFields(Fields):
    """Of the wrappers of Gymnasium, seals and this package."""

    horizon: Count | None = None
    absorbing_reward: Number = 0
    absorb_reward: Number = 0
    absorb_obs: None = None
    max_episode_steps: Count = 1
    min_action: Number = 0
    max_action: Number = 0
    min_obs: Number = 0
    max_obs: Number = 0
    min_reward: Number | None = None
    max_reward: Number | None = None
    gamma: Fraction = 0
    epsilon: Fraction = 0
    filter_keys: Annotated[list[Word], Field(max_length=64)] = []
    flatten: bool = True
    normalize_time: bool = True
    dict_time_key: Word = ""
    stack_size: Few = 1
    padding_type: Literal["reset", "zero"] = "reset"
    keep_dim: bool = True
    shape: Annotated[list[Annotated[int, Field(ge=1, le=4096)]], Field(max_length=3)] = []
    delay: Few = 1
    skip: Few = 1
    repeat_action_probability: Fraction = 0
    noop_max: CountOrZero = 0
    frame_skip: Few = 1
    screen_size: Annotated[int, Field(ge=1, le=1024)] = 1
    terminal_on_life_loss: bool = True
    grayscale_obs: bool = True
    grayscale_newaxis: bool = True
    scale_obs: bool = True


class RewardFields(Fields):
    """Of reward nets."""

    use_state: bool = True
    use_action: bool = True
    use_next_state: bool = True
    use_done: bool = True
    hid_sizes: Sizes = []
    reward_hid_sizes: Sizes = []
    potential_hid_sizes: Sizes = []
    hid_channels: Sizes = []
    reward_hid_channels: Sizes = []
    potential_hid_channels: Sizes = []
    discount_factor: Fraction = 0
    normalize_input_layer: Annotated[Any, _part("norm?")] = None
    activation: Annotated[Any, _part("activation")] = None
    spectral_norm: bool = True
    dropout_prob: Fraction = 0
    n_members: Few = 1
    hwc_format: bool = True
    kernel_size: Few = 1
    stride: Few = 1
    padding: Few | Literal["same", "valid"] | None = None
    bias: bool = True
    name: Word | None = None
    default_alpha: Number = 0


class PolicyFields(Fields):
    """`policy_kwargs` of SB3's policies."""

    net_arch: Sizes | Annotated[dict[Literal["pi", "vf", "qf"], Sizes], Field(max_length=3)] = []
    activation_fn: Annotated[Any, _part("activation")] = None
    ortho_init: bool = True
    use_sde: bool = True
    log_std_init: Number = 0
    full_std: bool = True
    use_expln: bool = True
    squash_output: bool = True
    clip_mean: Number = 0
    features_extractor_class: Annotated[Any, _part("features")] = None
    features_extractor_kwargs: Annotated[
        dict[
            Literal["features_dim", "cnn_output_dim", "normalized_image", "decay", "eps", "clip"],
            Width | bool | Number,
        ],
        Field(max_length=8),
    ] = {}
    share_features_extractor: bool = True
    normalize_images: bool = True
    optimizer_class: Annotated[Any, _part("optimizer")] = None
    optimizer_kwargs: OptimizerFields | None = None
    n_critics: Annotated[int, Field(ge=1, le=10)] = 1
    n_quantiles: Annotated[int, Field(ge=1, le=1024)] = 1
    lstm_hidden_size: Annotated[int, Field(ge=1, le=2048)] = 1
    n_lstm_layers: Annotated[int, Field(ge=1, le=4)] = 1
    shared_lstm: bool = True
    enable_critic_lstm: bool = True
    batch_norm_momentum: Fraction = 0
    batch_norm_eps: Fraction = 0
    renorm_warmup_steps: CountOrZero = 0


class OptimizerFields(Fields):
    """Of torch's optimisers."""

    lr: NotNegative = 0
    eps: NotNegative = 0
    betas: Annotated[list[Fraction], Field(max_length=2)] = []
    weight_decay: NotNegative = 0
    momentum: NotNegative = 0
    momentum_decay: NotNegative = 0
    dampening: NotNegative = 0
    nesterov: bool = True
    alpha: Fraction = 0
    centered: bool = True
    rho: Fraction = 0
    lr_decay: NotNegative = 0
    amsgrad: bool = True
    maximize: bool = True
    fused: bool | None = None
    foreach: bool | None = None


PolicyFields.model_rebuild()
Automatic = Annotated[str, Field(pattern=r"^auto(_\d+(\.\d+)?)?$")]


class GeneratorFields(Fields):
    """Of SB3's algorithms; folders, buffers' classes and callbacks are not among them."""

    policy: Literal[
        "MlpPolicy", "CnnPolicy", "MultiInputPolicy", "MlpLstmPolicy", "CnnLstmPolicy",
        "MultiInputLstmPolicy", "LinearPolicy",
    ] | Annotated[Any, _part("policy")] = "MlpPolicy"  # fmt: skip
    policy_kwargs: PolicyFields | None = None
    learning_rate: Rate = 0
    clip_range: Rate = 0
    clip_range_vf: Rate | None = None
    n_steps: Annotated[int, Field(ge=1, le=10**6)] = 1
    batch_size: Count = 1
    n_epochs: Annotated[int, Field(ge=1, le=10**4)] = 1
    gamma: Fraction = 0
    gae_lambda: Fraction = 0
    normalize_advantage: bool = True
    ent_coef: Number | Automatic = 0
    vf_coef: Number = 0
    max_grad_norm: NotNegative = 0
    rms_prop_eps: NotNegative = 0
    use_rms_prop: bool = True
    use_sde: bool = True
    sde_sample_freq: Integer = -1
    use_sde_at_warmup: bool = True
    target_kl: NotNegative | None = None
    stats_window_size: Annotated[int, Field(ge=1, le=10**5)] = 1
    buffer_size: Annotated[int, Field(ge=1, le=10**7)] = 1
    learning_starts: CountOrZero = 0
    tau: Fraction = 0
    train_freq: Count | tuple[Count, Literal["step", "episode"]] = 1
    gradient_steps: Annotated[int, Field(ge=-1, le=10**6)] = 1
    action_noise: None = None
    replay_buffer_class: None = None
    replay_buffer_kwargs: None = None
    rollout_buffer_class: None = None
    rollout_buffer_kwargs: None = None
    optimize_memory_usage: bool = True
    target_update_interval: Count = 1
    target_entropy: Number | Automatic = 0
    top_quantiles_to_drop_per_net: CountOrZero = 0
    policy_delay: Few = 1
    target_policy_noise: NotNegative = 0
    target_noise_clip: NotNegative = 0
    exploration_fraction: Fraction = 0
    exploration_initial_eps: Fraction = 0
    exploration_final_eps: Fraction = 0
    cg_max_steps: Annotated[int, Field(ge=1, le=1000)] = 1
    cg_damping: NotNegative = 0
    line_search_shrinking_factor: Fraction = 0
    line_search_max_iter: Annotated[int, Field(ge=1, le=1000)] = 1
    n_critic_updates: Annotated[int, Field(ge=1, le=1000)] = 1
    sub_sampling_factor: Few = 1
    tensorboard_log: None = None
    verbose: Annotated[int, Field(ge=0, le=2)] = 0
    seed: Seed | None = None
    device: Device = "auto"


class ScheduleFields(Fields):
    """Of values that change over the training."""

    start: Number = 0
    end: Number = 0
    end_fraction: Fraction = 0
    fraction: Fraction = 0
    after: Fraction = 0
    start_after: Fraction = 0
    val: Number = 0


class NormFields(Fields):
    """Of normalisation layers."""

    decay: Fraction = 0
    eps: NotNegative = 0


class ActivationFields(Fields):
    """Of activation functions."""

    negative_slope: Number = 0
    alpha: Number = 0
    beta: Number = 0
    threshold: Number = 0
    inplace: bool = True
    approximate: Literal["none", "tanh"] = "none"


class ExpertFields(Fields):
    """Of experts; downloads and pickles are not among them."""

    algorithm: Annotated[Any, _part("generator")] = None
    teacher: Annotated[Any, _part("expert")] = None
    total_timesteps: Count = 1
    n_envs: Envs = 1
    n_episodes: Annotated[int, Field(ge=1, le=10**6)] | None = None
    seed: Seed = 0
    normalize_reward: bool = True
    cache_dir: Annotated[
        str, BeforeValidator(lambda value, info: info.context.cache_dir(value))
    ] = ""
    device: Device = "auto"
    noise: Fraction = 0
    subsample: Count = 1
    use_actions: bool = True
    stop_when_settled: bool = False
    temperature: NotNegative = 0
    promised_return: Number | None = None
    n_candidates: Annotated[int, Field(ge=1, le=1000)] = 1
    path: Path = ""
    clip_actions: bool = True
    sha256: Sha256 | None = None
    memory_limit: NotNegative = 0
    columns: dict[str, str | list[str]] | None = None
    incomplete: Literal["keep", "drop"] = "keep"
    drop_last_action: bool = False
    terminal_at_limit: Literal["terminal", "truncated"] = "terminal"
    best: Fraction | None = None
    dataset: Annotated[str, Field(pattern=r"^[\w./-]{1,200}$")] = ""
    download: Annotated[bool, AfterValidator(_no_download)] = False
    algo: Word = ""
    policy: Word | None = None
    policy_kwargs: PolicyFields | None = None
    deterministic: bool = True
    trust_pickle: Annotated[bool, AfterValidator(_no_trust_pickle)] = False
    vec_normalize: None = None
    updates: Count = 1
    batch_size: Count = 1
    learning_rate: NotNegative = 0


class TrainerFields(Fields):
    """Of AIRL, GAIL and BC."""

    demo_batch_size: Count | None = None
    demo_minibatch_size: Count | None = None
    n_disc_updates_per_round: CountOrZero = 0
    n_disc_updates_before_pricing: CountOrZero = 0
    disc_opt_cls: Annotated[Any, _part("optimizer")] = None
    disc_opt_kwargs: OptimizerFields | None = None
    base_opt_kwargs: OptimizerFields | None = None
    disc_lr_schedule: Rate | None = None
    gen_train_timesteps: Count | None = None
    gen_replay_buffer_capacity: Annotated[int, Field(ge=1, le=10**8)] | None = None
    gen_replay_reservoir: bool = True
    absorbing: bool = False
    n_past_policies: CountOrZero | None = None
    init_tensorboard: bool = True
    init_tensorboard_graph: bool = True
    debug_use_ground_truth: bool = True
    allow_variable_horizon: bool = True
    normalize_gen_reward: bool = True
    base_gradient_penalty: NotNegative = 0
    base_box_penalty: NotNegative = 0
    r1_penalty: NotNegative = 0
    gradient_penalty: NotNegative = 0
    label_smoothing: Fraction = 0
    log_prob_weight: NotNegative = 0
    updates_per_round: Count = 1
    learning_rate: NotNegative = 0


class EvaluationFields(Fields):
    """Of `airl_cli.evaluation.evaluate`, as a run records them."""

    n_episodes: Annotated[int, Field(ge=2, le=10**6)]
    deterministic: bool
    retrain: bool = False


class RoundFields(BaseModel):
    """Of a trainer, what a policy for its learned reward is trained with."""

    model_config = ConfigDict(extra="ignore", strict=True)

    total_timesteps: Count | None = None
    gen_train_timesteps: Count | None = None
    normalize_gen_reward: bool = True
    allow_variable_horizon: bool = True
    absorbing: bool = False


class RunFields(BaseModel):
    """What is used of a recorded config itself."""

    model_config = ConfigDict(extra="ignore", strict=True)

    seed: Seed
    device: Device = "auto"
    torch_threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    verbose: bool = True


class TrainingFields(BaseModel):
    """What `airl train` itself reads of the section `trainer`."""

    model_config = ConfigDict(extra="ignore", strict=True)

    total_timesteps: Count
    demo_batch_size: Count | None
    allow_variable_horizon: bool = True
    checkpoint_every: Count | None = None
    keep_checkpoints: Count = 1
    checkpoint_share: Fraction | None = None


class WarmStartFields(BaseModel):
    """What `airl train` itself reads of the section `generator`."""

    model_config = ConfigDict(extra="ignore", strict=True)

    warm_start: Literal["bc"] | None = None


class RunStatus(BaseModel):
    """What is used of a `status.json`."""

    model_config = ConfigDict(extra="ignore", strict=True)

    status: Literal["running", "finished", "failed", "interrupted"]
    rounds: CountOrZero = 0
    pid: Annotated[int, Field(ge=0)] | None = None


class CheckpointNotes(BaseModel):
    """What a run notes beside the state of its trainer."""

    model_config = ConfigDict(extra="ignore", strict=True)

    train_seconds: NotNegative = 0.0
    env_steps: CountOrZero = 0
    demonstrations: str | None = None
    logs: dict[str, CountOrZero] = {}
