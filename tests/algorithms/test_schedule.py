import pytest

from airl_cli.algorithms.schedule import Annealed, Late
from airl_cli.errors import InvalidValueError


@pytest.mark.parametrize("values", [(0.0, 1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 0.0)])
def test_nonsense_annealing_is_refused(values) -> None:
    with pytest.raises(InvalidValueError, match="annealing"):
        Annealed(*values)


def test_annealing_ends_where_its_fraction_does() -> None:
    schedule = Annealed(1.0, 0.25, fraction=0.5)
    assert [schedule(r) for r in (1.0, 0.75, 0.5, 0.0)] == pytest.approx([1.0, 0.5, 0.25, 0.25])


@pytest.mark.parametrize("values", [{"after": 1.0}, {"after": -0.1}, {"end": 1.5}])
def test_a_decay_that_is_none_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="describe no decay"):
        Late(**values)
