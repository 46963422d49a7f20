"""Streams are separate and leave the global generators alone."""

import random

import numpy as np
import torch

from airl_cli.seeding import derive_seed, isolated_rng


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_isolated_rng_is_reproducible_and_leaves_no_trace() -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    expected = draws()
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    inside = []
    for _ in range(2):
        with isolated_rng(3):
            inside.append(draws())
    assert inside[0] == inside[1]
    assert draws() == expected


def test_purposes_and_seeds_have_different_streams() -> None:
    seeds = {derive_seed(s, p) for s in range(50) for p in ("evaluation", "demonstrations")}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive_seed(1, "evaluation") == derive_seed(1, "evaluation")
