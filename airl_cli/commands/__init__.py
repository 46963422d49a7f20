"""The commands: one row here, one file beside this one and one primary config each."""

COMMANDS: dict[str, str] = {
    "train": "learn a reward and a policy from an expert: demonstrations, AIRL rounds, evaluation",
    "transfer": "train a new policy on a run's reward in another environment, and compare",
    "evaluate": "repeat a finished run's evaluation, on another environment or seed if asked",
}
