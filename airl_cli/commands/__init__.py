"""The commands: one row here, one file beside this one and one primary config each."""

COMMANDS: dict[str, str] = {
    "train": "learn a reward and a policy from an expert: demonstrations, AIRL rounds, evaluation",
    "transfer": "train a new policy on a run's reward in another environment, and compare",
    "evaluate": "repeat a finished run's evaluation, on another environment or seed if asked",
    "reward": "draw what a run learned, and measure it against the true reward",
    "check": "examine an environment before anything is trained: a table, and advice",
    "demos": "record, convert, look at and check demonstrations",
    "list": "the runs in a folder, newest first: state, score, when, what was overridden",
    "verify": "compare a run with its manifest; rerun=true trains it again and compares to the bit",
    "publish": "a finished run as a folder for the Hugging Face Hub, with a model card",
    "report": "runs and sweeps compared: tables, learning curves, a page for the browser",
}

PATHS: dict[str, str] = {"list": "path", "report": "run"}
"""Commands that take plain paths, and their key: `airl report a b` is `airl report run=[a,b]`."""

VERBS: dict[str, dict[str, str]] = {
    "demos": {
        "record": "sample an expert into a file: airl demos record path=p.npz env=... expert=...",
        "convert": "write a recording in another format: path=... output=... [format=...]",
        "info": "a table of what is in a recording",
        "plot": "returns, lengths and the first state dimensions as a picture: [output=p.png]",
        "check": "does a recording fit an environment? path=... env=...",
    }
}
"""Commands that are followed by a verb: `airl <command> <verb> [overrides]`."""
