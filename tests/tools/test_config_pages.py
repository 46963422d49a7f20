"""`docs/configuration/` and the comments that it is made of."""

from pathlib import Path

import pytest

from airl_cli.config import conf_dir
from airl_cli.config.comments import ConfigFile
from tools.config_pages import COMMAND, pages, stale, unexplained, write

DOCS = Path(__file__).resolve().parents[2] / "docs" / "configuration"


def test_pages_say_what_the_configs_say() -> None:
    found = stale(conf_dir(), DOCS)
    assert not found, f"stale in docs/configuration: {', '.join(found)}. Run: {COMMAND}"


def test_every_config_key_has_a_comment() -> None:
    found = unexplained(conf_dir())
    assert not found, f"a comment is missing in conf/, behind or above: {', '.join(found)}"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    root = tmp_path / "conf"
    files = {
        "train.yaml": """
            # airl train: all of it
            defaults:
              - _self_
              - color: red # the color
              # what fits together
              - optional recipe: ${color}

            seed: 0 # of everything
        """,
        "color/red.yaml": """
            # As in blood.
            _target_: airl_cli.envs.EnvSpec
            # how much of it,
            # from 0 to 1
            share: 0.5
            name: "a # b" # with a sign in it
            mix: # others
              with: [1, 2]
        """,
        "color/pink.yaml": """
            # Lighter.
            defaults:
              - red
              - _self_

            share: 0.1
        """,
        "recipe/red.yaml": """
            # @package _global_
            # tuned
            color:
              share: 0.7
        """,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [line.removeprefix(" " * 12) for line in text.strip("\n").splitlines()]
        path.write_text("\n".join(lines).rstrip() + "\n")
    return root


def test_comments_are_read_behind_and_above_a_key(conf: Path) -> None:
    keys = {key.path: key for key in ConfigFile(conf / "color/red.yaml", "color").keys}
    assert keys["share"].comment == "how much of it, from 0 to 1"
    assert (keys["name"].value, keys["name"].comment) == ('"a # b"', "with a sign in it")
    assert (keys["mix"].comment, keys["mix.with"].value) == ("others", "[1, 2]")


def test_a_page_shows_key_value_and_comment_as_one_would_type_it(conf: Path) -> None:
    page = pages(conf)["color.md"]
    assert "The color. Chosen in `airl train` (default `red`)." in page
    assert "| `color.share` | `0.5` | how much of it, from 0 to 1 |" in page
    assert "| `color.share` | `0.1` | how much of it, from 0 to 1 |" in page  # pink's
    assert "`_target_` is `airl_cli.envs.EnvSpec`: An environment, and how many" in page
    assert "- `vectorization` = `'dummy'`: `\"dummy\"`: all copies in this process" in page


def test_a_recipe_borrows_the_explanations_of_the_keys_that_it_sets(conf: Path) -> None:
    assert "| `color.share` | `0.7` | how much of it, from 0 to 1 |" in pages(conf)["recipe.md"]
    assert "| [recipe](recipe.md) | what fits together | `red` |" in pages(conf)["README.md"]
    assert unexplained(conf) == []


@pytest.mark.parametrize(
    ("file", "text", "gap"),
    [
        ("color/red.yaml", "# As in blood.\nhue: 3\n", "color/red.yaml: hue"),
        ("color/red.yaml", "# As in blood.\nmix:\n  hue: 3\n", "color/red.yaml: mix.hue"),
        ("color/blue.yaml", "hue: 3 # in degrees\n", "color/blue.yaml: what it is for"),
        ("recipe/red.yaml", "# @package _global_\n# x\ncolor:\n  hue: 3\n", "recipe/red.yaml: col"),
        ("train.yaml", "# airl train\nseed: 0\n", "train.yaml: seed"),
    ],
)
def test_what_has_no_comment_is_named(conf: Path, file: str, text: str, gap: str) -> None:
    (conf / file).write_text(text)
    assert any(found.startswith(gap) for found in unexplained(conf))


def test_changed_missing_and_left_over_pages_are_stale_until_written(
    conf: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    write(conf, folder)
    assert stale(conf, folder) == []
    (folder / "color.md").write_text("something else")
    (folder / "recipe.md").unlink()
    (folder / "gone.md").write_text("of a group that was")
    assert stale(conf, folder) == ["color.md", "gone.md", "recipe.md"]
    assert write(conf, folder) == ["color.md", "gone.md", "recipe.md"]
    assert stale(conf, folder) == []
