"""Every field of what a run directory records, replaced by values from somebody who means harm.

Generated from the files of two recorded runs: each value in them, with each kind of harm. Readers
refuse (an `AirlError`) or read plain data; nothing is executed, imported, written or fetched.
"""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airl_cli.commands.resuming import recorded_job
from airl_cli.errors import AirlError
from airl_cli.files import read_json
from airl_cli.runs import load_run, schema
from airl_cli.runs.checkpoint import newest_checkpoint
from airl_cli.runs.loading import read_spaces
from airl_cli.runs.manifest import write_manifest
from airl_cli.runs.verify import (
    differences_to_manifest,
    machine_differences,
    write_run_manifest,
)
from airl_cli.runs.vocabulary import Received
from support import watch

FIRST_EDITION = Path(__file__).parents[1] / "data" / "first_edition"
RUNS = ("ppo", "sac")
EVIL = {"_target_": "os.system", "command": "touch canary", "_args_": ["touch canary"]}

HARM: dict[str, Callable[[Any], Any]] = {
    "another type": lambda old: "text" if not isinstance(old, str) else 3,
    "negative": lambda old: -(10**6),
    "huge": lambda old: 10**18,
    "huge text": lambda old: "x" * 10**5,
    "no number": lambda old: float("nan"),
    "infinite": lambda old: float("inf"),
    "a mapping": lambda old: {"a": {"b": [1, 2]}},
    "a list": lambda old: [old, old, [old]],
    "nested deeply": lambda old: _nested(old, 200),
    "long": lambda old: [1] * 10**4,
    "a function": lambda old: EVIL,
    "a function, partial": lambda old: {"_target_": "os.system", "_partial_": True},
    "positional": lambda old: {"_target_": "airl_cli.envs.EnvSpec", "_args_": ["evil_module:X-v0"]},
    "aliased": lambda old: {"_target_": "hydra.utils.get_method", "path": "os.system"},
    "an own method": lambda old: {
        "_target_": "airl_cli.runs.loggers.RunLogger.write",
        "_partial_": True,
    },
    "a module": lambda old: "evil_module:Env-v0",
    "a class of a module": lambda old: {"_target_": "evil_module.Net"},
    "an interpolation": lambda old: "${oc.env:HOME}",
    "a path": lambda old: "../../../etc/passwd",
    "an absolute path": lambda old: "/etc/passwd",
    "control characters": lambda old: "\x1b]0;x\x07\nerror: forged",
    "a null character": lambda old: "a\0b",
    "null": lambda old: None,
    "true": lambda old: True,
}


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = {"x": value}
    return value


def places(node: Any, path: tuple = ()) -> Iterator[tuple]:
    """Paths to every value and every section of a JSON document."""
    if path:
        yield path
    if isinstance(node, (dict, list)):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in list(items)[:40]:
            yield from places(value, (*path, key))


def replaced(document: Any, path: tuple, value: Any) -> Any:
    changed = copy.deepcopy(document)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def document(run: str, name: str) -> Any:
    return json.loads((FIRST_EDITION / run / name).read_text())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    root = tmp_path_factory.mktemp("received")
    for run in RUNS:
        shutil.copytree(FIRST_EDITION / run, root / run)
        write_run_manifest(root / run)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.syspath_prepend(root)
        (root / "evil_module.py").write_text("open('canary', 'w').close()\n")
        for run in RUNS:  # imports what reading needs, before anybody looks
            load_run(root / run)
            newest_checkpoint(root / run)
        watch.begin()
        yield {run: root / run for run in RUNS}
        watch.end()
    assert watch.executed(root / "canary") == []


def read_everything_of_the_config(run: Path) -> None:
    """What the commands read of a config, but for building nets of it."""
    recorded_job(run, run / "again", ())


CONFIG_CASES = [
    *(("ppo", path) for path in places(document("ppo", "config.json"))),
    *(("sac", path) for path in places(document("sac", "config.json")) if path[0] == "generator"),
]


@pytest.mark.parametrize(
    ("run", "path"), CONFIG_CASES, ids=[f"{run}-{'.'.join(map(str, p))}" for run, p in CONFIG_CASES]
)
def test_a_value_of_the_config(recorded: dict[str, Path], run: str, path: tuple) -> None:
    file = recorded[run] / "config.json"
    before = file.read_bytes()
    original = json.loads(before)
    old = original
    for key in path:
        old = old[key]
    try:
        for kind, harm in HARM.items():
            file.write_text(json.dumps(replaced(original, path, harm(old))))
            try:
                read_everything_of_the_config(recorded[run])
            except AirlError as error:
                assert error.exit_code == 2, kind
            assert watch.seen == [], kind
            assert not (recorded[run].parent / "canary").exists(), kind
    finally:
        file.write_bytes(before)


SECTIONS = ("env", "expert", "reward", "generator", "trainer")


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    "key", ["x", "_args_", "env", "log_dir", "tensorboard_log", "trust_pickle", "\x1b[2J", "_init_"]
)
def test_a_key_that_does_not_belong(
    recorded: dict[str, Path], run: str, section: str, key: str
) -> None:
    config = document(run, "config.json")
    for value in (EVIL, ["evil_module:X-v0"], "/etc/passwd", 1, True):
        changed = replaced(config, (section, key), value)
        with pytest.raises(AirlError) as caught:
            Received().read(changed, section, "total_timesteps", "checkpoint_every",
                            "keep_checkpoints", "checkpoint_share")  # fmt: skip
        assert "\x1b" not in str(caught.value)
    assert watch.seen == []


def _status(run: Path) -> None:
    with contextlib.suppress(ValueError):  # pydantic's, which the readers expect
        schema.RunStatus.model_validate(read_json(run / "status.json"))


READERS: dict[str, Callable[[Path], Any]] = {
    "spaces.json": read_spaces,
    "status.json": _status,
    "manifest.json": differences_to_manifest,
    "environment.json": machine_differences,
}


@pytest.mark.parametrize("name", READERS)
def test_values_of_the_other_files(
    recorded: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airl_cli.runs.verify.describe_machine", lambda: {"versions": {}})
    run = recorded["sac"]
    before = (run / name).read_bytes()
    original = json.loads(before)
    try:
        for path in list(places(original))[:12]:
            for kind, harm in HARM.items():
                (run / name).write_text(json.dumps(replaced(original, path, harm(None))))
                try:
                    READERS[name](run)
                except AirlError as error:
                    assert error.exit_code == 2, (path, kind)
    finally:
        (run / name).write_bytes(before)
    assert watch.seen == []


def test_values_of_a_checkpoint(recorded: dict[str, Path]) -> None:
    run = "sac"
    folder = max(recorded[run].glob("checkpoints/[0-9]*"), key=lambda path: int(path.name))
    file, manifest = folder / "state.json", folder / "manifest.json"
    before, signed = file.read_bytes(), manifest.read_bytes()
    original = json.loads(before)
    try:
        for path in list(places(original))[:20]:
            for harm in HARM.values():
                file.write_text(json.dumps(replaced(original, path, harm(None))))
                write_manifest(folder)  # whoever changes a file can sign it, too
                newest_checkpoint(recorded[run])  # None, or plain data
        file.write_bytes(before)
        for path in list(places(json.loads(signed)))[:8]:
            for harm in HARM.values():
                manifest.write_text(json.dumps(replaced(json.loads(signed), path, harm(None))))
                newest_checkpoint(recorded[run])
    finally:
        file.write_bytes(before)
        manifest.write_bytes(signed)
    assert watch.seen == []


def test_there_are_enough_cases() -> None:
    assert len(CONFIG_CASES) * len(HARM) > 500
