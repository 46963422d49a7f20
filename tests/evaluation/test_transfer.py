import math
from dataclasses import replace

import numpy as np
import pytest

from airl_cli.evaluation.transfer import TransferEvaluation


def evaluation(**returns: list[float]) -> TransferEvaluation:
    means = {"expert": [-5.0], "learner": [-6.0], "source": [-25.0], "random": [-45.0], "gail": []}
    arrays = {f"{name}_returns": np.array(x) for name, x in {**means, **returns}.items()}
    return TransferEvaluation(env_id="Maze-v0", seed=0, **arrays)


def test_score_is_the_share_of_the_way_from_the_old_policy_to_the_true_reward() -> None:
    assert evaluation().transfer_score == pytest.approx(19 / 20)
    assert evaluation().normalized_score == pytest.approx(39 / 40)
    assert "0.950" in str(evaluation().table().caption)
    assert evaluation(learner=[-25.0]).transfer_score == pytest.approx(0.0)


def test_result_holds_both_scores_and_every_mean() -> None:
    result = evaluation(gail=[-30.0]).result(rounds=3)
    assert result["transfer_score"] == pytest.approx(0.95)
    assert result["source_return_mean"] == -25.0 and result["gail_return_mean"] == -30.0
    assert result["rounds"] == 3 and result["expert_return_mean"] == -5.0


def test_what_was_not_compared_is_no_row_and_no_number() -> None:
    rows = evaluation(source=[]).rows()
    assert [name[:3] for name in rows] == ["(a)", "(b)", "(e)"]
    assert math.isnan(evaluation(source=[]).transfer_score)
    assert [name[:3] for name in evaluation(gail=[-1.0]).rows()] == [f"({x})" for x in "abcde"]


def test_without_a_lead_of_the_true_reward_there_is_no_transfer_score() -> None:
    found = evaluation(expert=[-30.0], source=[-25.0])
    assert math.isnan(found.transfer_score)
    assert "(a)" in str(found.no_transfer_score_because)
    assert "no transfer score" in str(found.table().caption)


def test_in_the_runs_own_environment_it_is_the_retrain_score() -> None:
    found = replace(evaluation(), run_levels=(-46.0, -6.0))
    assert found.result()["retrain_score"] == 1
    assert found.result()["true_reward_score"] == pytest.approx(41 / 40)
    assert "retrain_score" not in evaluation().result()
    assert "retrain score 1.000; on the true reward 1.025" in str(found.table().caption)
