"""`airl <command> --help [group | key]`."""

import sys
from pathlib import Path

import pytest

from airl_cli.commands import COMMANDS
from support.cli import Airl


@pytest.fixture
def columns(airl: Airl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("columns")
@pytest.mark.parametrize("command", COMMANDS)
def test_lines_fit_the_terminal_and_words_are_whole(
    airl: Airl, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    narrow = airl(command, "--help")
    assert narrow.code == 0, narrow.err
    assert max(map(len, narrow.out.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "1000")
    assert set(narrow.out.split()) == set(airl(command, "--help").out.split())


@pytest.mark.usefixtures("columns")
def test_a_table_of_verbs_keeps_its_column_and_paragraphs_fill_their_lines(airl: Airl) -> None:
    lines = airl("demos", "--help").out.splitlines()
    record = lines.index("record   sample an expert into a file: path=p.safetensors env=cartpole")
    assert lines[record + 1] == " " * 9 + "expert=ppo"
    first = next(i for i, line in enumerate(lines) if line.startswith("Recordings are"))
    assert min(len(line) for line in lines[first : first + 5]) > 60


def test_only_groups_of_the_command_are_shown(airl: Airl) -> None:
    assert "generator=ppo" in airl("transfer", "--help").out
    for foreign in ("generator=", "logger="):
        assert foreign not in airl("evaluate", "--help").out


@pytest.mark.usefixtures("columns")
def test_a_group_is_shown_with_options_keys_defaults_and_meanings(airl: Airl) -> None:
    said = " ".join(airl("train", "--help", "generator").out.split())
    assert "generator=sac Soft actor-critic" in said
    assert "generator.gamma=0.99 discount per step" in said
    assert "buffer_size" not in said
    said = " ".join(airl("train", "--help", "generator=sac").out.split())
    assert "generator.buffer_size=1000000 transitions in the replay buffer" in said


def test_a_key_is_shown_with_default_and_meaning(airl: Airl) -> None:
    said = airl("train", "--help", "trainer.demo_batch_size")
    assert said.code == 0
    assert "trainer.demo_batch_size=null" in said.out
    assert "expert samples per discriminator update" in said.out
    assert len(said.out.splitlines()) <= 2
    assert "generator.buffer_size" in airl("train", "generator.buffer_size", "-h").out
    assert airl("train", "--help", "env").out.count("env=") > 10


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("trainer.demo_bach", "Did you mean 'trainer.demo_batch_size'?"),
        ("generatr", "Did you mean 'generator'?"),
        ("zzz", "airl train --help lists them."),
        ("generator=sacc", "Did you mean 'sac'?"),
    ],
)
def test_an_unknown_word_is_two_lines(airl: Airl, word: str, remedy: str) -> None:
    outcome = airl("train", "--help", word)
    assert outcome.code == 2
    assert word.partition("=")[0].rpartition(".")[2] in outcome.err
    assert remedy in outcome.err
    assert len(outcome.err.splitlines()) == 2


def test_groups_of_the_users_own_are_shown(airl: Airl, tmp_path: Path) -> None:
    (tmp_path / "own" / "env").mkdir(parents=True)
    (tmp_path / "own" / "env" / "tank.yaml").write_text(
        "# A tank of water.\ndefaults:\n  - gym\n  - _self_\n\nid: Tank-v0\n"
    )
    said = " ".join(airl("train", "--config-dir", "own", "--help", "env=tank").out.split())
    assert "A tank of water." in said
    assert "env.id=Tank-v0" in said
    assert "env.n_envs=16 copies stepped side by side" in said


def test_nothing_heavy_is_imported() -> None:
    import subprocess

    code = (
        "import sys; from airl_cli.cli import main; main(['train', '--help']); "
        "assert not {'torch', 'gymnasium'} & set(sys.modules), 'heavy'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
