"""The small example runs as it stands."""

import math
import runpy
import sys
from pathlib import Path

import torch as th

EXAMPLE = Path(__file__).parents[2] / "examples" / "airl_minimal.py"


def test_the_minimal_example_learns_a_reward_and_two_policies(monkeypatch, capsys) -> None:
    threads = th.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["airl_minimal.py", "--expert-steps=1024", "--steps=4096"])
    main = runpy.run_path(str(EXAMPLE))["main"]
    returns = main()
    th.set_num_threads(threads)
    assert set(returns) == {"expert", "AIRL", "new policy on the learned reward"}
    assert all(0 < value <= 500 and math.isfinite(value) for value in returns.values())
    assert capsys.readouterr().out.count("\n") == 3
