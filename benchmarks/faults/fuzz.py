"""Coverage-guided fuzzing of the readers of foreign files, with atheris.

    pip install atheris
    python benchmarks/faults/fuzz.py --seconds 600                  # each reader in turn
    python benchmarks/faults/fuzz.py npz csv --seconds 60 --work /tmp/fuzz

libFuzzer mutates small files that are valid; a reader may read the result or refuse it with an
`AirlError`. Any other exception, more than 10 seconds or 1 GiB of memory is a finding: the input is
kept in `<work>/<reader>/findings/`, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TIMEOUT, MEMORY_MB = 10, 1024  # of one input, in seconds and MiB
RUN = Path(__file__).parents[2] / "tests/data/first_edition/ppo"  # whose config is mutated


def _recording() -> dict[str, np.ndarray]:
    """One short episode as the arrays of an npz file."""
    rng = np.random.default_rng(0)
    return {
        "obs": rng.normal(size=(9, 3)).astype(np.float32),
        "acts": rng.normal(size=(8, 1)).astype(np.float32),
        "rews": rng.normal(size=8).astype(np.float32),
        "lengths": np.array([8]),
        "terminal": np.array([False]),
    }


def _npz(path: Path) -> None:
    np.savez(path, **_recording())


def _frame() -> Any:
    import pandas

    arrays = _recording()
    return pandas.DataFrame(
        {
            **{f"obs_{i}": arrays["obs"][:8, i] for i in range(3)},
            "acts": arrays["acts"][:, 0],
            "episode": [0] * 4 + [1] * 4,
            "done": [0, 0, 0, 1] * 2,
        }
    )


def _csv(path: Path) -> None:
    _frame().to_csv(path, index=False)


def _parquet(path: Path) -> None:
    _frame().to_parquet(path)


def _hdf5(path: Path) -> None:
    import h5py

    arrays = _recording()
    with h5py.File(path, "w") as file:
        file["observations"], file["actions"] = arrays["obs"][:8], arrays["acts"]
        file["rewards"] = arrays["rews"]
        file["terminals"], file["timeouts"] = np.zeros(8, bool), np.arange(8) == 7


def _model(path: Path) -> None:
    from stable_baselines3 import PPO

    PPO("MlpPolicy", "CartPole-v1", device="cpu", policy_kwargs={"net_arch": [2]}).save(path)


def _config(path: Path) -> None:
    shutil.copy(RUN / "config.json", path)


def _read_recording(path: Path) -> None:
    from airl_cli.data import formats

    formats.read(str(path))


def _read_model(path: Path) -> None:
    from airl_cli.experts.sb3_zip import read_model

    read_model(path)


def _read_run(path: Path) -> None:
    from airl_cli.runs import load_run

    load_run(path.parent)


READERS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], None]]] = {
    "npz": ("demos.npz", _npz, _read_recording),
    "csv": ("demos.csv", _csv, _read_recording),
    "parquet": ("demos.parquet", _parquet, _read_recording),
    "hdf5": ("demos.hdf5", _hdf5, _read_recording),
    "model": ("model.zip", _model, _read_model),
    "run": ("config.json", _config, _read_run),
}
"""By reader: the file's name, what writes a valid one, what reads it."""


def prepared(reader: str, folder: Path) -> Path:
    """The folder with what a reader needs beside its input: the rest of a run directory."""
    if reader == "run":
        shutil.copytree(RUN, folder)
    else:
        folder.mkdir()
    return folder


def refused(reader: str, content: bytes, folder: Path) -> bool:
    """Reads one input; whether it was refused. Other errors are the reader's faults and pass."""
    from airl_cli.errors import AirlError

    name, _, read = READERS[reader]
    path = folder / name
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except AirlError:
        return True
    return False


def fuzz(reader: str, work: Path, seconds: int) -> None:
    """Fuzzes one reader in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["airl_cli"]):
        import airl_cli.data.formats
        import airl_cli.experts.sb3_zip
        import airl_cli.runs  # noqa: F401
    corpus, findings = work / reader / "corpus", work / reader / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    name, write, _ = READERS[reader]
    write(corpus / name)
    arguments = [f"-max_total_time={seconds}", f"-timeout={TIMEOUT}", "-max_len=65536"]
    arguments += [f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={findings}/", str(corpus)]
    with tempfile.TemporaryDirectory() as folder_name:
        place = prepared(reader, Path(folder_name) / "place")
        atheris.Setup([sys.argv[0], *arguments], lambda data: refused(reader, data, place))
        atheris.Fuzz()


def main() -> int:
    """A process for each reader, one after the other; 1 if one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", default=list(READERS), metavar="reader")
    parser.add_argument("--seconds", type=int, default=600, help="for each reader")
    parser.add_argument("--work", type=Path, default=Path("outputs/fuzz"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.readers) - set(READERS):
        parser.error(f"unknown readers: {', '.join(sorted(unknown))}; there are {list(READERS)}")
    if options.here:
        fuzz(options.readers[0], options.work, options.seconds)
    found = []
    for reader in options.readers:
        command = [sys.executable, __file__, reader, "--here", "--work", str(options.work)]
        if subprocess.run([*command, "--seconds", str(options.seconds)]).returncode:
            found.append(reader)
    print("findings: " + (", ".join(found) or "none"))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
