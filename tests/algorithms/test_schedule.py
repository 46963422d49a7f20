import pytest

from airl_cli.algorithms.schedule import Annealed, Late, LinearDecay
from airl_cli.errors import InvalidValueError


@pytest.mark.parametrize("values", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0)])
def test_nonsense_annealing_is_refused(values) -> None:
    with pytest.raises(InvalidValueError, match="annealing"):
        Annealed(*values)


def test_annealing_ends_where_its_fraction_does() -> None:
    schedule = Annealed(1.0, 0.25, fraction=0.5)
    assert [schedule(r) for r in (1.0, 0.75, 0.5, 0.0)] == pytest.approx([1.0, 0.5, 0.25, 0.25])


@pytest.mark.parametrize("values", [{"start_after": 1.0}, {"start_after": -0.1}, {"end": 1.5}])
def test_a_decay_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="out of range"):
        LinearDecay(**values)


def test_the_decay_of_older_configs_is_the_same() -> None:
    new, old = LinearDecay(start_after=0.5, end=0.2), Late(after=0.5, end=0.2)
    assert [new(r) for r in (1.0, 0.5, 0.25, 0.0)] == pytest.approx([1.0, 1.0, 0.6, 0.2])
    assert [old(r) for r in (1.0, 0.5, 0.25, 0.0)] == [new(r) for r in (1.0, 0.5, 0.25, 0.0)]
