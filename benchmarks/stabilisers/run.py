"""What holds the discriminator back, one measure at a time, on seals' Walker2d.

    python -m benchmarks.stabilisers.run
    python -m benchmarks.stabilisers.run --seeds 10 --only recipe "constant rate"

Runs `airl train env=walker2d seed=<seed>` with the recipe as it is, and with one thing taken from
it or added to it; `benchmarks/stabilisers/walker2d.{json,md}` are made of all that has finished.
The seeds are those on which recipes are tuned: this shows what a measure does, not how well a
recipe does on fresh seeds (`benchmarks/seals/`). A finished run is not run again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.common.report import conditions, footer, spread, write
from benchmarks.seals.run import run

HERE = Path(__file__).parent
TASK = "walker2d"  # what the overrides below are for
VARIANTS = {
    "recipe": [],
    "constant rate": ["trainer.disc_lr_schedule=null"],
    "constant rate, half of it": [
        "trainer.disc_lr_schedule=null",
        "trainer.disc_opt_kwargs.lr=4e-3",
    ],
    "samples of the newest round only": ["trainer.gen_replay_buffer_capacity=null"],
    "updates after pricing": [
        "trainer.n_disc_updates_per_round=16",
        "trainer.n_disc_updates_before_pricing=0",
    ],
    "reward not scaled": ["trainer.normalize_gen_reward=false"],
    "R1 penalty 0.01": ["trainer.r1_penalty=0.01"],
    "gradient penalty 0.1": ["trainer.gradient_penalty=0.1"],
    "spectral normalisation": ["reward.spectral_norm=true"],
    "label smoothing 0.1": ["trainer.label_smoothing=0.1"],
    "weight decay 0.01": ["+trainer.disc_opt_kwargs.weight_decay=0.01"],
}


def folder_of(root: Path, variant: str) -> Path:
    """Where a variant's runs lie, one folder a seed."""
    words = "".join(c if c.isalnum() or c == "." else " " for c in variant)
    return root / TASK / "-".join(words.split())


def gathered(root: Path) -> dict[str, list[dict[str, Any]]]:
    """Every finished run's result, by variant."""
    results = {}
    for variant in VARIANTS:
        files = sorted(folder_of(root, variant).glob(f"{TASK}-*/result.json"))
        if files:
            results[variant] = [json.loads(file.read_text()) for file in files]
    return results


def table(facts: dict[str, Any]) -> list[str]:
    """A row per variant."""
    lines = [
        f"| {TASK} | normalised score | lowest | learner's return | seeds |",
        "|---|---|---|---|---|",
    ]
    for variant, results in facts["runs"].items():
        scores = [result["normalized_score"] for result in results]
        cells = [
            variant,
            spread(scores, 3),
            f"{min(scores):.3f}",
            spread([result["learner_return_mean"] for result in results]),
            ", ".join(str(result["seed"]) for result in results),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", f"Mean ± standard deviation (each seed). {footer(facts)}"]


def main() -> None:
    """Trains what is missing and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--root", type=Path, default=Path("outputs/benchmarks/stabilisers"))
    parser.add_argument("--gather", action="store_true", help="train nothing")
    options = parser.parse_args()
    if not options.gather:
        for seed in options.seeds:
            for variant in options.only:
                folder = folder_of(options.root, variant)
                run(TASK, seed, folder, VARIANTS[variant])
    facts = {
        **conditions("benchmarks.stabilisers.run"),
        "task": TASK,
        "runs": gathered(options.root),
        "overrides": VARIANTS,
    }
    write(HERE, TASK, facts, table(facts))


if __name__ == "__main__":
    main()
