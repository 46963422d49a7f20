import numpy as np

from airl_cli.data import Trajectory
from airl_cli.data.summary import summarise
from support.demos import episodes


def walk(policy, n=2000, discrete=True):
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(n + 1, 2)).astype(np.float32)
    acts = policy(obs[:-1], rng)
    return [Trajectory(obs, acts.astype(np.int64) if discrete else acts, None, False)]


def test_figures_are_those_of_all_steps():
    summary = summarise(episodes())
    obs = np.concatenate([t.obs for t in episodes()]).astype(np.float64)
    assert summary.lengths.tolist() == [4, 7, 3]
    assert summary.terminal == 2 / 3
    assert np.allclose([r.mean for r in summary.obs], obs.mean(axis=0))
    assert np.allclose([r.std for r in summary.obs], obs.std(axis=0))
    assert [r.low for r in summary.obs] == obs.min(axis=0).tolist()
    assert [r.high for r in summary.obs] == obs.max(axis=0).tolist()
    acts = np.concatenate([t.acts for t in episodes()])
    assert summary.counts == {0: int((acts == 0).sum()), 1: int((acts == 1).sum())}


def test_a_function_of_the_state_looks_deterministic_and_a_coin_does_not():
    assert summarise(walk(lambda o, rng: o[:, 0] > 0)).looks_deterministic is True
    assert summarise(walk(lambda o, rng: rng.random(len(o)) > 0.5)).looks_deterministic is False
    smooth = walk(lambda o, rng: np.sin(o[:, :1]), discrete=False)
    assert summarise(smooth).looks_deterministic is True
    noisy = walk(lambda o, rng: rng.normal(size=(len(o), 1)), discrete=False)
    assert summarise(noisy).looks_deterministic is False


def test_constant_actions_are_deterministic_and_one_step_tells_nothing():
    assert summarise(walk(lambda o, rng: np.zeros(len(o)))).looks_deterministic is True
    assert summarise(episodes((1,))).looks_deterministic is None


def test_images_have_one_range_for_all_pixels():
    obs = np.arange(3 * 2 * 2 * 3, dtype=np.uint8).reshape(3, 2, 2, 3)
    summary = summarise([Trajectory(obs, np.zeros(2, np.int64), None, True)])
    assert len(summary.obs) == 1
    assert (summary.obs[0].low, summary.obs[0].high) == (0, 35)
