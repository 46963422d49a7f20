"""The hierarchical logger."""

import csv
from pathlib import Path

import pytest

from airl_cli.util import HierarchicalLogger, configure


def rows(path: Path) -> list[dict[str, float | None]]:
    with path.open() as file:
        lines = list(csv.DictReader(file))
    return [{k: float(v) if v else None for k, v in line.items()} for line in lines]


@pytest.fixture
def logger(tmp_path: Path) -> HierarchicalLogger:
    return configure(tmp_path, ["csv"])


def test_outside_of_phases_it_is_an_ordinary_logger(logger, tmp_path) -> None:
    assert logger.get_dir() == str(tmp_path)
    logger.record("a", -1)
    logger.record("a", 1)
    logger.dump(1)
    logger.record("b", 3)
    logger.dump(2)
    assert rows(tmp_path / "progress.csv") == [{"a": 1, "b": None}, {"a": None, "b": 3}]


def test_phases_write_each_figure_and_the_outer_logger_their_means(logger, tmp_path) -> None:
    for step, loss in enumerate((2.0, 4.0)):
        with logger.accumulate_means("disc"):
            logger.record("loss", loss)
            logger.dump(step)
            assert logger.get_dir() == str(tmp_path / "raw" / "disc")
    logger.record("outer", 7)
    logger.dump(9)
    raw = rows(tmp_path / "raw" / "disc" / "progress.csv")
    assert raw == [{"raw/disc/loss": 2}, {"raw/disc/loss": 4}]
    assert rows(tmp_path / "progress.csv") == [{"mean/disc/loss": 3, "outer": 7}]
    logger.dump(10)
    assert len(logger.name_to_value) == 0


def test_prefixes_of_phases_and_of_keys(logger, tmp_path) -> None:
    with logger.add_accumulate_prefix("foo"), logger.accumulate_means("bar"):
        with logger.add_key_prefix("key"):
            logger.record("a", 1)
        logger.record("b", 2)
        assert logger.name_to_value["raw/foo/bar/key/a"] == 1
        logger.dump()
    assert set(logger.name_to_value) == {"mean/foo/bar/key/a", "mean/foo/bar/b"}
    logger.dump()
    assert (tmp_path / "raw" / "foo" / "bar" / "progress.csv").is_file()


def test_phases_do_not_nest_and_prefixes_have_their_places(logger) -> None:
    with logger.accumulate_means("a"):
        with pytest.raises(RuntimeError, match="Nested"), logger.accumulate_means("b"):
            pass
        with pytest.raises(RuntimeError, match="within"), logger.add_accumulate_prefix("b"):
            pass
    with pytest.raises(RuntimeError, match="outside"), logger.add_key_prefix("b"):
        pass


def test_messages_go_to_the_outer_logger(tmp_path) -> None:
    logger = configure(tmp_path, ["log"])
    logger.debug("not shown")
    with logger.accumulate_means("a"):
        logger.info("within a phase")
    logger.close()
    assert (tmp_path / "log.txt").read_text() == "within a phase\n"


def test_by_default_it_writes_a_table_a_log_and_a_csv_file(tmp_path, capsys) -> None:
    logger = configure(tmp_path / "new")
    logger.record("a" * 45, 1)
    logger.dump()
    logger.close()
    assert "a" * 45 in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"log.txt", "progress.csv"}
    with pytest.raises(ValueError, match="Unknown format"):
        configure(tmp_path, ["parquet"])
