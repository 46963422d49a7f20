"""The figures of the package's structure, on a package made for the purpose."""

from pathlib import Path

import pytest

from airl_cli.config import conf_dir
from tools.house import House, config_keys

FILES = {
    "__init__.py": "",
    "errors.py": '"""Errors."""\n\nclass Mistake(Exception):\n    """A mistake."""\n',
    "data/store.py": "from airl_cli.runs.run import Run\nimport torch._private\n",
    "runs/run.py": """
        from typing import TYPE_CHECKING

        from airl_cli.errors import Mistake

        if TYPE_CHECKING:
            from airl_cli.commands.train import train


        class Run(Base):
            # a comment
            def __init__(self):
                self._mine = '''two
                lines'''

            def go(self, algorithm, other):
                from airl_cli.data import store

                self._hook()
                return other._mine, algorithm._last_obs, row._fields
        """,
    "commands/train.py": "from airl_cli import runs\n",
    "runs/__init__.py": "",
    "data/__init__.py": "",
    "commands/__init__.py": "",
}


@pytest.fixture
def house(tmp_path: Path) -> House:
    from textwrap import dedent

    for name, text in FILES.items():
        path = tmp_path / "airl_cli" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
    return House(tmp_path / "airl_cli")


def test_code_lines_leave_out_blanks_comments_and_docstrings(house: House) -> None:
    by_name = {source.module: len(source.code_lines) for source in house.sources}
    assert by_name["airl_cli.errors"] == 1
    assert by_name["airl_cli.runs.run"] == 12
    assert house.code_lines() == sum(by_name.values())


def test_circles_include_deferred_imports_but_not_those_for_types(house: House) -> None:
    assert house.circles() == [["data", "runs"]]


def test_an_import_of_a_higher_layer_is_found(house: House) -> None:
    (found,) = house.upward()
    assert found.endswith("data/store.py -> airl_cli.runs.run")


def test_only_foreign_private_attributes_count(house: House) -> None:
    names = [place.split()[1] for place in house.foreign_private()]
    assert names == ["torch._private", "_last_obs"]


def test_long_files_and_functions_are_found(tmp_path: Path) -> None:
    body = "    x = 1\n" * 51
    (tmp_path / "a.py").write_text(f'def long():\n    """Doc."""\n{body}' + "\n" * 400)
    found = House(tmp_path)
    assert found.long_files() == [f"{tmp_path / 'a.py'} 453"]
    assert found.long_functions() == [f"{tmp_path / 'a.py'}:1 long 51"]


def test_config_keys_counts_values(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# x\ndefaults: [b]\na: {b: 1, c: [1, 2], d: {}}\n")
    (tmp_path / "none.yaml").write_text("# empty\n")
    assert config_keys(tmp_path) == 3


def test_every_room_of_the_package_has_a_layer() -> None:
    house = House(conf_dir().parent / "airl_cli")
    assert not [place for place in house.upward() if "has no layer" in place]
