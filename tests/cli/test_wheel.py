"""The wheel, unpacked in a folder that has nothing to do with the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents."""
    wheel = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_carries_every_config(unpacked: Path) -> None:
    ours = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    theirs = {
        path.relative_to(unpacked / "airl_cli/conf")
        for path in (unpacked / "airl_cli/conf").rglob("*.yaml")
    }
    assert ours
    assert theirs == ours
    assert (unpacked / "hydra_plugins/airl_cli/extras.py").is_file()  # behind hydra/launcher
    assert not (unpacked / "tests").exists()


def test_the_wheel_composes_configs_in_an_empty_folder(unpacked: Path, tmp_path: Path) -> None:
    code = (
        "import sys, airl_cli; from airl_cli.cli import main; "
        "print('#', airl_cli.__file__); sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "env=pendulum", "--cfg", "job"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(unpacked) in done.stdout.splitlines()[0]
    assert yaml.safe_load(done.stdout)["env"]["id"] == "Pendulum-v1"
