"""Trajectories for tests, and ways to spoil the files that hold them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from airl_cli.data import Trajectory, TrajectoryWithRew

OBS_SPACE = spaces.Box(-10.0, 10.0, (3,), np.float32)
ACT_SPACE = spaces.Discrete(2)


def episodes(lengths: tuple[int, ...] = (4, 7, 3), rews: bool = True) -> list[Trajectory]:
    """Episodes that fit `OBS_SPACE` and `ACT_SPACE`; those of odd length end terminally."""
    rng = np.random.default_rng(0)
    made: list[Trajectory] = []
    for n in lengths:
        obs = rng.uniform(-5, 5, (n + 1, 3)).astype(np.float32)
        acts, terminal = rng.integers(0, 2, n), bool(n % 2)
        if rews:
            made.append(TrajectoryWithRew(obs, acts, None, terminal, rng.normal(size=n)))
        else:
            made.append(Trajectory(obs, acts, None, terminal))
    return made


@st.composite
def recordings(draw: Any, with_rews: bool | None = None) -> tuple[list[Trajectory], Any, Any]:
    """Random trajectories of one (also random) environment, and its spaces."""
    obs_dtype = draw(st.sampled_from([np.float32, np.float64, np.uint8, np.int64]))
    obs_shape = draw(npst.array_shapes(min_dims=0, max_dims=2, max_side=3))
    discrete = draw(st.booleans())
    act_shape = () if discrete else draw(npst.array_shapes(min_dims=0, max_dims=1, max_side=3))
    act_dtype = np.int64 if discrete else np.float32
    numbers = {"allow_nan": False, "allow_infinity": False, "width": 32}
    elements = {
        "f": st.floats(**numbers),
        "u": st.integers(0, 255),
        "i": st.integers(-100, 100),
    }
    act_elements = st.integers(0, 4) if discrete else st.floats(-1, 1, width=32)
    rews = draw(st.booleans()) if with_rews is None else with_rews
    made: list[Trajectory] = []
    for length in draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)):
        kind = np.dtype(obs_dtype).kind
        fields: dict[str, Any] = {
            "obs": draw(npst.arrays(obs_dtype, (length + 1, *obs_shape), elements=elements[kind])),
            "acts": draw(npst.arrays(act_dtype, (length, *act_shape), elements=act_elements)),
            "infos": None,
            "terminal": draw(st.booleans()),
        }
        if rews:
            values = draw(npst.arrays(np.float64, (length,), elements=st.floats(-1e9, 1e9)))
            made.append(TrajectoryWithRew(**fields, rews=values))
        else:
            made.append(Trajectory(**fields))
    if np.dtype(obs_dtype).kind == "f":
        obs_space = spaces.Box(-np.inf, np.inf, obs_shape, obs_dtype)
    else:
        limits = np.iinfo(obs_dtype)
        obs_space = spaces.Box(limits.min, limits.max, obs_shape, obs_dtype)
    act_space = spaces.Discrete(5) if discrete else spaces.Box(-1, 1, act_shape, np.float32)
    return made, obs_space, act_space


def files_of(path: Path) -> list[Path]:
    """The file itself, or all files below the folder."""
    if path.is_file():
        return [path]
    return sorted(Path(root) / name for root, _, names in os.walk(path) for name in names)


@st.composite
def corruptions(draw: Any) -> Any:
    """A function that changes one to three bytes of one file, or cuts it off."""
    which = draw(st.integers(0, 10**6))
    flips = draw(
        st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 255)), min_size=1, max_size=3)
    )
    cut = draw(st.none() | st.integers(0, 10**9))

    def corrupt(path: Path) -> None:
        files = files_of(path)
        file = files[which % len(files)]
        raw = bytearray(file.read_bytes())
        for position, flip in flips:
            if raw:
                raw[position % len(raw)] ^= flip
        file.write_bytes(raw if cut is None else raw[: cut % (len(raw) + 1)])

    return corrupt


def rewrite_tensors(path: str | Path, **changes: Any) -> None:
    """Write a trajectory file anew with tensors changed (None: left out)."""
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    tensors = load_file(path) | changes
    save_file({n: v for n, v in tensors.items() if v is not None}, path, metadata=metadata)


def rewrite_header(path: str | Path, **changes: Any) -> None:
    """Write a trajectory file anew with its metadata, or what its header says, changed."""
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    texts = {n: v for n, v in changes.items() if n in metadata}
    header = json.loads(metadata["header"]) | {n: changes[n] for n in changes.keys() - texts.keys()}
    save_file(load_file(path), path, metadata=metadata | {"header": json.dumps(header)} | texts)


def rewrite(path: str | Path, **changes: Any) -> None:
    """Write an `.npz` anew with members changed (None: left out), checksums right."""
    with np.load(path) as file:
        members = dict(file)
    members |= changes
    np.savez(path, **{name: value for name, value in members.items() if value is not None})
