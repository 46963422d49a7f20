"""The virtual environment in which `imitation` 1.0.1 lives, with the old versions that it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

VERSION = "1.0.1"
DEFAULT = Path("outputs/benchmarks/imitation-venv")
# torch and MuJoCo as airl-cli has them, so that only the libraries differ.
REQUIREMENTS = (f"imitation=={VERSION}", "mujoco==4.0.0", "imageio")
CONSTRAINTS = ("torch==2.13.0",)


def python_of(folder: Path = DEFAULT) -> Path:
    """The interpreter; makes the environment first if it is not there (minutes)."""
    python = folder / "bin" / "python"
    done = folder / "complete"
    if done.exists():
        return python
    print(f"making a virtual environment for imitation {VERSION} in {folder}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(CONSTRAINTS) + "\n")
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "-c", str(constraints), *REQUIREMENTS],
        check=True,
    )
    subprocess.run([str(python), "-c", "import imitation, seals"], check=True)
    done.touch()
    return python
