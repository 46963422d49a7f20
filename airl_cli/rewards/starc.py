"""STARC distance of two rewards on sampled transitions.

Source: Skalse et al. 2024, "STARC: A General Framework For Quantifying Differences Between Reward
Functions" (arXiv 2309.15257): rewards are canonicalised, so that those which order all policies
alike become the same, then normalised, then compared. Such a distance bounds the regret of
optimising the one where the other was meant; EPIC's does not.

The canonical form is the minimal one: of all rewards `r + g h(s') - h(s)` the one of least squares.
Shaping and constants have no effect on it, and only what actions make better or worse is left.
What every terminal transition gets alike counts as a constant, too, as in the EPIC distance.
Potentials h are linear in features: 1, the state, its squares, and random Fourier features
(Rahimi & Recht 2007) at three length scales. Where next states are random, noise of the reward
through s' is left in both forms.
"""

from __future__ import annotations

import numpy as np

_MOST_FEATURES = 192  # Fourier features
_TRANSITIONS_PER_FEATURE = 12
_SCALES = (0.5, 1.0, 2.0)  # of the median distance between states
_RIDGE = 1e-8


def starc_distance(
    first: np.ndarray,
    second: np.ndarray,
    state: np.ndarray,
    next_state: np.ndarray,
    done: np.ndarray,
    *,
    discount: float,
    seed: int = 0,
) -> float:
    """Half the Euclidean distance of the normalised canonical rewards.

    Args:
        first: Rewards of the transitions (n,).
        second: Others of the same transitions (n,).
        state: (n, *observation shape).
        next_state: As `state`.
        done: Terminal flags (n,); the potential of a terminal state is 0.
        discount: g, in [0, 1].
        seed: Of the Fourier features.

    Returns:
        0 for equivalent rewards, 0.71 for unrelated ones, 1 for opposite ones; 0.5 if one of them
        makes all policies equally good.
    """
    shaping = _shaping_terms(state, next_state, done, discount, seed)
    rewards = np.stack([first, second], axis=1).astype(np.float64)
    gram = shaping.T @ shaping + _RIDGE * len(shaping) * np.eye(shaping.shape[1])
    canonical = rewards - shaping @ np.linalg.solve(gram, shaping.T @ rewards)
    norms = np.linalg.norm(canonical, axis=0)
    trivial = norms <= 1e-5 * np.linalg.norm(rewards, axis=0)  # up to the rounding of float32
    unit = np.where(trivial, 0.0, canonical / np.where(trivial, 1.0, norms))
    return float(np.linalg.norm(unit[:, 0] - unit[:, 1]) / 2)


def _shaping_terms(
    state: np.ndarray, next_state: np.ndarray, done: np.ndarray, discount: float, seed: int
) -> np.ndarray:
    """`g h_i(s') - h_i(s)` (n, m) of every feature h_i, of unit size each."""
    n = len(state)
    before, after = (x.reshape(n, -1).astype(np.float64) for x in (state, next_state))
    mean, std = before.mean(0), before.std(0)
    used = std > 1e-8 * np.maximum(1.0, np.abs(mean))
    before, after = ((x[:, used] - mean[used]) / std[used] for x in (before, after))
    rng = np.random.default_rng(seed)
    d = before.shape[1]
    m = min(_MOST_FEATURES, n // _TRANSITIONS_PER_FEATURE)
    pairs = rng.integers(n, size=(2, 256))
    width = np.median(np.linalg.norm(before[pairs[0]] - before[pairs[1]], axis=1)) or 1.0
    scales = width * np.resize(_SCALES, m)
    frequencies = rng.normal(size=(d, m)) / scales
    phases = rng.uniform(0, 2 * np.pi, m)

    def features(x: np.ndarray) -> np.ndarray:
        return np.hstack([np.ones((n, 1)), x, x**2, np.cos(x @ frequencies + phases)])

    terms = discount * features(after) * ~done[:, None] - features(before)
    terms = np.hstack([terms, done[:, None]])
    size = np.sqrt((terms**2).mean(0))
    return terms[:, size > 0] / size[size > 0]
