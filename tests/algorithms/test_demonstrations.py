import numpy as np
import pytest
import torch as th

from airl_cli.algorithms import (
    AdversarialTrainer,
    BaseImitationAlgorithm,
    DemonstrationAlgorithm,
    make_data_loader,
)
from airl_cli.data import Trajectory, TransitionsMinimal, rollout
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.util import configure
from support.demos import episodes


def test_trainers_are_demonstration_algorithms() -> None:
    assert issubclass(AdversarialTrainer, DemonstrationAlgorithm)


def test_episodes_are_compared_with_those_seen_before(tmp_path) -> None:
    class Own(DemonstrationAlgorithm):
        def set_demonstrations(self, demonstrations):
            self._check_fixed_horizon(map(len, demonstrations))

        policy = property(lambda self: None)

    logger = configure(tmp_path, [])
    own = Own(demonstrations=episodes((5, 5)), custom_logger=logger)
    assert own.logger is logger
    own.set_demonstrations([])
    with pytest.raises(ValueError, match="different length"):
        own.set_demonstrations(episodes((4,)))
    with pytest.raises(ValueError, match="different length"):
        Own(demonstrations=episodes((4, 5)), custom_logger=logger)
    careless = Own(demonstrations=None, custom_logger=logger, allow_variable_horizon=True)
    careless.set_demonstrations(episodes((4, 5)))
    assert issubclass(Own, BaseImitationAlgorithm)


def rows(loader) -> list[float]:
    batches = list(loader)
    assert {len(batch["obs"]) for batch in batches} == {4}
    return sorted(float(obs[0]) for batch in batches for obs in batch["obs"])


def numbered() -> list[Trajectory]:
    def part(first: int, length: int) -> Trajectory:
        obs = np.arange(first, first + length + 1, dtype=float)[:, None]
        return Trajectory(obs, np.zeros(length), None, True)

    return [part(0, 3), part(10, 4), part(20, 5)]


def test_every_kind_of_demonstrations_gives_batches_of_one_size() -> None:
    flat = rollout.flatten_trajectories(numbered())
    uneven = [{"obs": flat.obs[a:b], "acts": flat.acts[a:b]} for a, b in ((0, 7), (7, 9), (9, 12))]
    tensors = [{name: th.as_tensor(column) for name, column in b.items()} for b in uneven]
    expected = sorted(flat.obs[:, 0].tolist())
    for kind in (
        flat,
        numbered(),
        (trajectory for trajectory in numbered()),
        uneven,
        iter(uneven),
        tensors,
    ):
        assert rows(make_data_loader(kind, 4)) == expected
    again = make_data_loader(uneven, 4)
    assert rows(again) == rows(again) == expected


def test_unusable_demonstrations_are_refused() -> None:
    few = TransitionsMinimal(np.zeros((5, 2)), np.zeros(5), None)
    with pytest.raises(ValueError, match="must be positive"):
        make_data_loader(few, 0)
    with pytest.raises(InvalidValueError, match="smaller than batch size 6"):
        make_data_loader(few, 6)
    with pytest.raises(InvalidTypeError, match="int cannot be read"):
        make_data_loader(3, 1)
    with pytest.raises(InvalidValueError, match="no demonstrations"):
        make_data_loader([], 1)
    crooked = [{"obs": np.zeros((5, 2)), "acts": np.zeros((4, 1))}]
    with pytest.raises(ValueError, match="differ in length"):
        list(make_data_loader(crooked, 5))
