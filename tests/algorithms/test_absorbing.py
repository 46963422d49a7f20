import math

import numpy as np
import pytest
import torch as th

from airl_cli.algorithms import GAIL
from airl_cli.algorithms.absorbing import (
    CLIP,
    AbsorbingState,
    Ends,
    absorbing_state,
    centred,
    lag_of,
)
from airl_cli.errors import InvalidValueError


def test_the_logit_is_the_log_ratio_of_the_hazards() -> None:
    state = absorbing_state(Ends(10_000, 1e6), Ends(40_000, 1e6), 0.99)
    assert state.c == pytest.approx(math.log(1 / 4), abs=1e-3)


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999])
def test_it_is_that_of_a_discriminator_of_all_steps(discount: float) -> None:
    """Against the shares of discounted time in the absorbing state, counted directly."""
    state = absorbing_state(Ends(2_000, 1e6), Ends(30_000, 1e6), discount)
    odds = [h * discount / (1 - discount) for h in (0.002, 0.03)]
    shares = [o / (1 + o) for o in odds]
    assert state.b == pytest.approx(math.log((1 - shares[0]) / (1 - shares[1])), abs=1e-2)
    if discount:
        assert state.c + state.b == pytest.approx(math.log(shares[0] / shares[1]), abs=1e-2)


def test_it_is_zero_where_both_sides_end_alike() -> None:
    assert absorbing_state(Ends(0, 1000), Ends(0, 5000), 0.99) == AbsorbingState(0.0, 0.0)
    assert absorbing_state(Ends(30, 3000), Ends(10, 1000), 0.99).c == pytest.approx(0.0)


def test_one_side_without_ends_gives_a_finite_logit() -> None:
    never, often = Ends(0, 1e5), Ends(1e4, 1e5)
    c = absorbing_state(never, often, 0.99).c
    assert -CLIP <= c < -5
    assert absorbing_state(often, never, 0.99).c == pytest.approx(-c)


def terminal_trainer(make_trainer, **kwargs):
    return make_trainer(env={"terminal_at": 0.8}, absorbing=True, **kwargs)


def test_every_step_is_worth_the_reward_less_that_of_the_absorbing_state(make_trainer) -> None:
    game = terminal_trainer(make_trainer, log_prob_weight=0.0)
    game.train(160)
    ends = game.gen_replay_buffer.ends()
    assert ends.n_ends > 0
    hazards = absorbing_state(game._demonstrations.ends(), ends, game.gen_algo.gamma)
    expected = centred(hazards, game._absorbing_estimate.lag)
    assert game.absorbing_state == expected and hazards.c != 0
    batch = game.gen_replay_buffer.sample(16)
    plain = game.reward_train.predict(*batch.arrays())
    np.testing.assert_allclose(
        game.generator_reward(batch, np.zeros(16)), plain - expected.c, rtol=1e-5
    )
    assert game.stats["absorbing_logit"] == pytest.approx(expected.c)


def test_a_discriminator_that_is_ahead_makes_no_step_worse_than_the_absorbing_state() -> None:
    state = absorbing_state(Ends(1, 1e5), Ends(500, 1e5), 0.99)
    logits = np.random.default_rng(0).normal(-30.0, 1.0, 1000)
    ahead = centred(state, lag_of(th.as_tensor(logits)))
    assert np.mean(logits - state.c) < -20  # any step costs more than all that ending costs
    assert np.mean(logits - ahead.c) == pytest.approx(-state.c, abs=0.5)  # as the hazards say
    assert logits.mean() + ahead.b == pytest.approx(state.b, abs=0.5)  # GAIL's are moved alike
    assert centred(state, 3.0) == state
    assert math.isfinite(centred(state, -math.inf).c)


def test_the_lag_is_minus_the_divergence_of_order_one_half() -> None:
    """Of two normal distributions a distance m apart that is m^2 / 4."""
    x = np.random.default_rng(0).normal(0.0, 1.0, 200_000)
    for m in (0.0, 1.0, 2.0):
        log_ratio = th.as_tensor(m * x - m**2 / 2)  # log N(x; m, 1) - log N(x; 0, 1)
        assert lag_of(log_ratio) == pytest.approx(-(m**2) / 4, abs=0.02)


def test_steps_are_centred_from_the_first_end_on_and_never_without_one(make_trainer) -> None:
    game = make_trainer(absorbing=True)
    game.train(160)
    assert game._absorbing_estimate.lag is None and game.absorbing_state == AbsorbingState()
    game = terminal_trainer(make_trainer)
    game.train(160)
    assert game._absorbing_estimate.lag is not None
    copy = terminal_trainer(make_trainer)
    copy.load_state_dict(game.state_dict())
    assert copy.absorbing_state == game.absorbing_state


def test_gail_compares_its_reward_with_the_absorbing_state_s(make_trainer) -> None:
    game = terminal_trainer(make_trainer, trainer=GAIL)
    game.train(160)
    c, b = game.absorbing_state
    batch = game.gen_replay_buffer.sample(16)
    logits = th.as_tensor(game.reward_net.predict(*batch.arrays()))
    minus_log = lambda logit: -th.log(1 - th.sigmoid(logit))  # noqa: E731
    expected = minus_log(logits + b) - minus_log(th.tensor(c + b))
    th.testing.assert_close(
        th.as_tensor(game.generator_reward(batch, np.zeros(16))), expected, atol=1e-5, rtol=1e-4
    )


def test_terminal_ends_may_differ_in_length_but_truncated_ones_may_not(make_trainer) -> None:
    terminal_trainer(make_trainer).train(160)
    game = make_trainer(absorbing=True)
    lengths = iter([5, 7] * 100)
    for env in game.venv.envs:
        env.unwrapped.horizon = next(lengths)
    with pytest.raises(InvalidValueError, match="differ in length"):
        game.train(160)
