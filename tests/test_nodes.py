"""Plain config trees: dotted paths, former names."""

import sys
from pathlib import Path

import pytest

from airl_cli import nodes
from airl_cli.errors import AirlError, InvalidValueError, one_line
from airl_cli.nodes import Renamed, assign, import_name, leaves, lookup, with_current_names


def test_lookup_and_assign_take_dotted_paths() -> None:
    config: dict = {"a": {"b": 1}}
    assign(config, "a.c.d", 2)
    assert config == {"a": {"b": 1, "c": {"d": 2}}}
    assert lookup(config, "a.c.d") == 2
    assert lookup(config, "a.b.c") is None
    assert lookup(config, "x.y") is None


def test_leaves_are_values_lists_and_empty_mappings() -> None:
    config = {"a": {"b": [1, {"c": 2}], "d": {}}, "e": None}
    assert dict(leaves(config)) == {"a.b": [1, {"c": 2}], "a.d": {}, "e": None}


def test_leaves_refuse_what_is_too_deep_to_be_a_config() -> None:
    deep: dict = {"a": 1}
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(InvalidValueError, match="32 levels"):
        list(leaves(deep))


def test_former_names_and_arguments_become_todays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(nodes.RENAMED, "old.Name", Renamed("new.Name", {"after": "start_after"}))
    config = {"x": [{"y": {"_target_": "old.Name", "after": 0.5, "end": 0}}], "after": 1}
    assert with_current_names(config) == {
        "x": [{"y": {"_target_": "new.Name", "start_after": 0.5, "end": 0}}],
        "after": 1,
    }
    assert config["x"][0]["y"]["_target_"] == "old.Name"  # type: ignore[index]


def test_every_renamed_target_exists() -> None:
    for renamed in nodes.RENAMED.values():
        assert callable(import_name(renamed.target))


def test_import_name_finds_modules_and_attributes() -> None:
    assert import_name("os.path.join") is __import__("os").path.join
    assert import_name("airl_cli.data.rollout").__name__ == "airl_cli.data.rollout"


def test_import_name_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AttributeError, match="joyn"):
        import_name("os.path.joyn")
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        import_name("nowhere.at.all")
    (tmp_path / "half_there").mkdir()
    (tmp_path / "half_there" / "inner.py").write_text("import missing_for_good\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="missing_for_good"):
        import_name("half_there.inner.Thing")
    assert "half_there.inner" not in sys.modules


def test_one_line_joins_cuts_and_falls_back_to_the_class() -> None:
    assert one_line(ValueError("a\n  b")) == "a b"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(ValueError("x" * 300), 10) == "x" * 7 + "..."
    assert one_line(AirlError("problem", "remedy")) == "problem remedy"
