"""Names of the files in a run directory; the README shows the whole."""

CONFIG = "config.json"
"""The config as the run used it, every interpolation resolved; what loading reads."""

SPACES = "spaces.json"
STATUS = "status.json"
ENVIRONMENT = "environment.json"
PROVENANCE = "provenance.json"
RESULT = "result.json"
EVALUATION = "evaluation.json"
"""The returns of single episodes that the result is made of."""

METRICS = "metrics.csv"
TENSORBOARD = "tensorboard"
SCALARS = "scalars.csv"
LOGGERS = "loggers.json"
"""Where trackers keep the run: what it takes to go on there."""

PLOTS = "plots"
VIDEOS = "videos"
CHECKPOINTS = "checkpoints"
FINAL = "final"
LOCK = ".lock"
REWARD_WEIGHTS = "reward.safetensors"
POLICY_WEIGHTS = "policy.safetensors"
STATE_TENSORS = "state.safetensors"
STATE = "state.json"

PREAMBLE = frozenset(
    {
        *(".hydra", LOCK, CONFIG, SPACES, STATUS, ENVIRONMENT, PROVENANCE),
        *(TENSORBOARD, SCALARS, LOGGERS, "wandb"),
    }
)
"""What a run that never trained may leave (besides log files): nothing worth keeping."""
