"""Whose config a run directory holds, and which packages it may therefore name."""

import json
import shutil
import stat
from pathlib import Path

import pytest

from airl_cli.runs import layout
from airl_cli.runs.authorship import reader_of, sign
from airl_cli.serialization import write_json

CONFIG = {
    "env": {"_target_": "airl_cli.envs.EnvSpec", "id": "own_env_of_a_test:X-v0"},
    "reward": {"_target_": "own_nets_of_a_test.Net", "net": {"path": "other_nets_of_a_test.F"}},
    "generator": {"activation_fn": {"_target_": "torch.nn.Tanh"}},
}
NAMED = {"own_env_of_a_test"}  # those of reward nets are asked for again


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def run(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in NAMED:
        (tmp_path / "packages").mkdir(exist_ok=True)
        (tmp_path / "packages" / f"{name}.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    write_json(tmp_path / "run" / layout.CONFIG, CONFIG)
    sign(tmp_path / "run")
    return tmp_path / "run"


def test_the_users_own_config_may_name_its_environments_package(run: Path) -> None:
    assert set(reader_of(run).trusted) == NAMED
    assert set(reader_of(run, ("more",)).trusted) == {*NAMED, "more"}


def test_a_copy_is_still_the_users_own(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    assert set(reader_of(tmp_path / "copy").trusted) == NAMED


def test_an_edited_config_is_a_received_one(run: Path) -> None:
    text = (run / layout.CONFIG).read_text()
    (run / layout.CONFIG).write_text(text.replace("X-v0", "Y-v0"))
    assert reader_of(run, ("more",)).trusted == ("more",)


def test_a_package_of_the_same_name_elsewhere_is_not_the_users_choice(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own_env_of_a_test.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "here")
    assert reader_of(run).trusted == ()


def test_another_user_has_another_key(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    assert reader_of(run).trusted == ()
    sign(run)
    assert set(reader_of(run).trusted) == NAMED


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"0" * 64, b"0" * 1000])
def test_a_damaged_signature_is_none(run: Path, content: bytes) -> None:
    (run / layout.SIGNATURE).write_bytes(content)
    assert reader_of(run).trusted == ()


def test_a_damaged_config_is_nobodys(run: Path) -> None:
    (run / layout.CONFIG).write_text("[" * 100_000)
    assert reader_of(run).trusted == ()


def test_the_key_is_the_users_alone(run: Path, state: Path) -> None:
    key = state / "airl-cli" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes() not in (run / layout.SIGNATURE).read_bytes()


def test_without_a_place_for_the_key_nothing_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    write_json(tmp_path / "run" / layout.CONFIG, CONFIG)
    sign(tmp_path / "run")
    assert not (tmp_path / "run" / layout.SIGNATURE).exists()
    assert json.loads((tmp_path / "run" / layout.CONFIG).read_text()) == CONFIG
    assert reader_of(tmp_path / "run").trusted == ()
