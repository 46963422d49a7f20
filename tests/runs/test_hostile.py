"""Artifacts from somebody who means harm: nothing in them is executed, nothing else is touched."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from airl_cli.data import formats
from airl_cli.errors import AirlError, InvalidValueError, NotFoundError
from airl_cli.experts.sb3_zip import read_model
from airl_cli.runs import load_reward, load_run
from airl_cli.runs.checkpoint import newest_checkpoint
from airl_cli.runs.metrics import cut_logs
from airl_cli.runs.vocabulary import KINDS, Received
from support import faults, watch
from support.cli import Airl
from support.watch import executed

# -- who watches -------------------------------------------------------------------------------


class Owned:
    """What unpickling this would do, a file shows."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple:
        return (exec, (f"open({str(self.canary)!r}, 'w').close()",))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that must never appear, and a look-out for anything else that is executed."""
    path = tmp_path / "canary"
    watch.begin()
    yield path
    watch.end()
    assert executed(path) == []


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed after two of its four rounds; also finished, as far as files go."""
    root = tmp_path_factory.mktemp("victim")
    run = root / "run"
    arguments = faults.command(
        "ppo", 4, f"hydra.run.dir={run}", "trainer.checkpoint_every=2", "logger=csv"
    )
    faults.run_to_end(arguments, root / "output.txt")
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps({**status, "status": "running"}))
    return run


@pytest.fixture
def received(victim: Path, tmp_path: Path) -> Path:
    """A copy of it to do bad things to."""
    return Path(shutil.copytree(victim, tmp_path / "received"))


def sign(folder: Path) -> None:
    """A manifest is no signature: whoever changes a file can change it, too."""
    path = folder / "manifest.json"
    names = [p.name for p in folder.iterdir() if p.name != path.name]
    files = {
        name: {
            "bytes": (folder / name).stat().st_size,
            "sha256": sha256((folder / name).read_bytes()).hexdigest(),
        }
        for name in names
    }
    path.write_text(json.dumps({"format": 1, "files": files}))


def opened(run: Path) -> list[BaseException]:
    """Every way to read a run directory; only errors that are meant for users may come."""
    errors: list[BaseException] = []
    for read in (load_run, load_reward, newest_checkpoint):
        try:
            read(run)
        except AirlError as error:
            errors.append(error)
    return errors


# -- pickles -----------------------------------------------------------------------------------


def plain_pickle(canary: Path) -> bytes:
    return pickle.dumps(Owned(canary))


def torch_pickle(canary: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": Owned(canary)}, buffer)
    return buffer.getvalue()


def numpy_pickle(canary: Path) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, obs=np.array([Owned(canary)], dtype=object))
    return buffer.getvalue()


FILES = [
    *("config.json", "spaces.json", "status.json", "result.json", "metrics.csv"),
    *("provenance.json", "environment.json", "evaluation.json", ".hydra/config.yaml"),
    *("checkpoints/final/policy.safetensors", "checkpoints/final/reward.safetensors"),
    *("checkpoints/4/state.safetensors", "checkpoints/4/state.json"),
    *("checkpoints/4/policy.safetensors", "checkpoints/4/manifest.json"),
]


@pytest.mark.parametrize("kind", [plain_pickle, torch_pickle, numpy_pickle])
@pytest.mark.parametrize("name", FILES)
def test_a_pickle_in_place_of_a_file_is_not_loaded(
    received: Path, canary: Path, name: str, kind: Callable[[Path], bytes]
) -> None:
    (received / name).write_bytes(kind(canary))
    if "manifest" not in name:
        sign(received / "checkpoints/4")
    opened(received)
    assert executed(canary) == []


def test_the_look_out_sees_a_pickle_that_is_loaded(canary: Path) -> None:
    pickle.loads(plain_pickle(canary))
    found = executed(canary)
    assert found[0].startswith("pickle.find_class") and found[-1] == "the payload"
    canary.unlink()
    watch.seen.clear()


@pytest.mark.parametrize(
    ("name", "kind"), zip(FILES[:5], [plain_pickle, torch_pickle, numpy_pickle] * 2, strict=False)
)
def test_a_command_on_such_a_run_executes_nothing(
    airl: Airl, received: Path, canary: Path, name: str, kind: Callable[[Path], bytes]
) -> None:
    (received / name).write_bytes(kind(canary))
    for command in (["evaluate", f"run={received}"], ["train", f"resume={received}"]):
        outcome = airl(*command)
        assert outcome.code in (0, 2), outcome
        assert "Traceback" not in outcome.err


@pytest.mark.parametrize("kind", [plain_pickle, torch_pickle, numpy_pickle])
def test_a_pickle_for_a_dataset_or_a_model_is_refused(
    tmp_path: Path, canary: Path, kind: Callable[[Path], bytes]
) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(kind(canary))
    for read in (read_demonstrations, read_model):
        with pytest.raises((InvalidValueError, NotFoundError)):
            read(path)


# -- targets -----------------------------------------------------------------------------------

TARGETS = [
    *("os.system", "posix.system", "os.popen", "builtins.exec", "builtins.eval", "builtins.open"),
    *(
        "subprocess.Popen",
        "subprocess.check_output",
        "shutil.rmtree",
        "pickle.loads",
        "runpy.run_path",
    ),
    *("importlib.import_module", "functools.partial", "torch.load", "torch.hub.load", "numpy.load"),
    *("pathlib.Path.write_text", "ctypes.CDLL", "code.interact", "pty.spawn", "webbrowser.open"),
    # The same under other names: modules re-export what they import.
    *("airl_cli.files.os.system", "airl_cli.runs.status.os.system"),
    *("airl_cli.runs.machine.subprocess.run", "airl_cli.runs.vocabulary.import_name"),
    *("airl_cli.experts.cache.shutil.rmtree", "airl_cli.experts.cache.store"),
    *("stable_baselines3.common.utils.os.system", "stable_baselines3.common.save_util.os.remove"),
    *(
        "stable_baselines3.common.save_util.load_from_pkl",
        "stable_baselines3.common.save_util.pickle.load",
    ),
    *("stable_baselines3.PPO.load", "stable_baselines3.common.base_class.BaseAlgorithm.load"),
    *("torch.nn.modules.module.torch.load", "torch.optim.optimizer.torch.load"),
    *("torch.nn.modules.module.functools.partial", "torch.nn.Module.register_forward_hook"),
    *("torch.nn.Module.apply", "torch.nn.modules.lazy.warnings.sys.modules"),
    *("gymnasium.wrappers.RecordVideo", "gymnasium.wrappers.rendering.os.makedirs"),
    *("sb3_contrib.common.utils.th.load", "seals.util.gym.make"),
    # Our own functions are not all harmless, either.
    *(
        "airl_cli.cli.main",
        "airl_cli.envs.registry.import_env_module",
        "airl_cli.envs.make_vec_env",
    ),
    *(
        "airl_cli.envs.registry.find_spec",
        "airl_cli.runs.layout.discard",
        "airl_cli.runs.Run.create",
    ),
    *("airl_cli.serialization.atomic_write", "airl_cli.serialization.write_json"),
    *(
        "airl_cli.config.instantiation.instantiate",
        "airl_cli.config.instantiation.hydra_instantiate",
    ),
    *("airl_cli.config.signatures.locate", "airl_cli.runs.vocabulary.made"),
    *("airl_cli.runs.checkpoint.remove_remains", "airl_cli.runs.metrics.cut_logs"),
    *("airl_cli.commands.job.importlib.import_module", "airl_cli.experts.trained.cache.store"),
    # Hydra's own way, and names that are none.
    *(
        "hydra.utils.instantiate",
        "hydra.utils.call",
        "hydra._internal.instantiate._instantiate2.instantiate",
    ),
    *("airl_cli.__builtins__.exec", "airl_cli.rewards.__loader__", "torch.nn.Linear.__init__"),
    *(
        "torch.nn.Linear.__class__",
        "stable_baselines3.PPO.__mro__",
        "",
        ".",
        "os..system",
        "a b",
        "${oc.env:HOME}",
    ),
]

GETTERS = ["hydra.utils.get_class", "hydra.utils.get_method", "hydra.utils.get_object"]


def payload(target: Any, canary: Path) -> dict[str, Any]:
    return {"_target_": target, "_args_": [f"touch {canary}"]}


@pytest.mark.parametrize("target", TARGETS)
def test_no_other_target_is_called_however_it_is_spelled(target: str, canary: Path) -> None:
    nested = {"_target_": "airl_cli.envs.EnvSpec", "id": "x", "kwargs": payload(target, canary)}
    in_list = {**nested, "kwargs": {}, "wrappers": [{"_target_": target}]}
    partial = {"_target_": target, "_partial_": True}
    getters = [{"_target_": getter, "path": target} for getter in GETTERS]
    for node in (payload(target, canary), nested, in_list, partial, *getters):
        for kind in KINDS:
            with pytest.raises((InvalidValueError, NotFoundError)):
                Received().value(node, kind)


@pytest.mark.parametrize("target", [["os.system"], {"_target_": "os.system"}, 1, None, True])
def test_a_target_that_is_no_text_is_refused(target: Any, canary: Path) -> None:
    for kind in KINDS:
        with pytest.raises(InvalidValueError):
            Received().value(payload(target, canary), kind)


@pytest.mark.parametrize("package", ["airl_cli", "airl_cli.experts", "torch", "stable_baselines3"])
def test_trusting_a_package_of_ours_trusts_no_function_of_it(package: str, canary: Path) -> None:
    for target in ("airl_cli.experts.cache.store", "stable_baselines3.PPO.load"):
        for kind in KINDS:
            with pytest.raises(InvalidValueError):
                Received((package,)).value({"_target_": target}, kind)


NODES = [
    *("env", "expert", "reward", "generator", "trainer", "logger"),
    *("generator/policy_kwargs/activation_fn", "generator/learning_rate", "trainer/disc_opt_cls"),
    *("env/kwargs/xml_file", "env/wrappers", "reward/normalize_input_layer", "expert/n_episodes"),
    *("evaluation/n_episodes", "seed", "trainer/total_timesteps", "trainer/checkpoint_every"),
]


def change(run: Path, path: str, value: Any) -> None:
    config = json.loads((run / "config.json").read_text())
    node = config
    *parents, key = path.split("/")
    for parent in parents:
        node = node.setdefault(parent, {})
    node[key] = value
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("node", NODES)
def test_a_payload_anywhere_in_the_config_is_not_called(
    airl: Airl, received: Path, canary: Path, node: str
) -> None:
    for target in ("airl_cli.files.os.system", "os.system"):
        change(received, node, payload(target, canary))
        opened(received)
    outcome = airl("train", f"resume={received}")
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    if node in ("env", "expert"):
        assert airl("evaluate", f"run={received}").code == 2


@pytest.mark.parametrize(
    "text",
    [
        *("${oc.env:HOME}", "${oc.decode:evil}", "${hydra:runtime.cwd}", "${now:%Y}", "${a${b}}"),
        *("${oc.create:{_target_:os.system}}", "!!python/object/apply:os.system [true]"),
    ],
)
@pytest.mark.parametrize(
    "node", ["env/id", "generator/policy", "reward/hid_sizes", "expert/cache_dir"]
)
def test_interpolations_in_a_received_config_are_not_resolved(
    airl: Airl, received: Path, canary: Path, node: str, text: str
) -> None:
    change(received, node, text)
    opened(received)
    outcome = airl("train", f"resume={received}")
    assert outcome.code in (0, 2), outcome
    assert str(Path.home()) not in (received / "status.json").read_text()


# -- modules -----------------------------------------------------------------------------------


@pytest.fixture
def evil_module(tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that can be imported and must not be."""
    (tmp_path / "evil_module.py").write_text(f"open({str(canary)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "evil_module"


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ("env/import_module", "evil_module"),
        ("env/id", "evil_module:Env-v0"),
        ("env/kwargs/env_id", "evil_module:Env-v0"),
        ("expert/algorithm", {"_target_": "stable_baselines3.PPO", "env": "evil_module:Env-v0"}),
        ("reward", {"_target_": "evil_module.Net", "_partial_": True}),
        ("trainer/_target_", "evil_module.Trainer"),
    ],
)
def test_no_module_is_imported_for_a_received_config(
    airl: Airl, received: Path, evil_module: str, node: str, value: Any
) -> None:
    change(received, node, value)
    opened(received)
    for command in (["evaluate", f"run={received}"], ["train", f"resume={received}"]):
        assert airl(*command).code == 2
    assert evil_module not in sys.modules


def test_pickles_are_not_trusted_on_behalf_of_a_received_config(
    airl: Airl, received: Path, canary: Path
) -> None:
    expert = {"_target_": "airl_cli.experts.CheckpointExpert", "path": "x.zip", "algo": "ppo"}
    change(received, "expert", {**expert, "trust_pickle": True})
    for command in (["evaluate", f"run={received}"], ["train", f"resume={received}"]):
        outcome = airl(*command)
        assert outcome.code == 2
        assert "pickle" in outcome.err


# -- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../../../precious", "/etc/passwd", "..", "sub/file", ""])
def test_a_manifest_that_names_files_elsewhere_does_not_hold(received: Path, name: str) -> None:
    path = received / "checkpoints/4/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = manifest["files"]["state.json"]
    path.write_text(json.dumps(manifest))
    found = newest_checkpoint(received)
    assert found is None or found.rounds < 4


def test_a_checkpoint_cannot_have_another_files_cut_or_removed(received: Path) -> None:
    precious = received.parent / "precious"
    precious.write_text("precious")
    (received / "tensorboard").mkdir(exist_ok=True)
    (received / "tensorboard/notes.txt").write_text("mine")
    (received / "tensorboard/events.out.tfevents.1").symlink_to(precious)
    cut_logs(received, {"../precious": 0, "tensorboard/events.out.tfevents.1": 1, "config.json": 0})
    assert precious.read_text() == "precious"
    assert (received / "tensorboard/notes.txt").read_text() == "mine"
    assert (received / "config.json").stat().st_size > 100


@pytest.mark.parametrize(
    "name",
    [
        *("metrics.csv", "train.log", ".lock", "status.json", "tensorboard", "checkpoints/4"),
        *("checkpoints", "plots", "checkpoints/final/policy.safetensors"),
    ],
)
def test_links_out_of_the_run_directory_are_not_followed_when_writing(
    airl: Airl, received: Path, canary: Path, name: str
) -> None:
    outside = received.parent / "outside"
    link = received / name
    if link.is_dir():
        shutil.copytree(link, outside)
        shutil.rmtree(link)
    else:
        outside.write_text("precious")
        link.unlink(missing_ok=True)
    link.symlink_to(outside)
    before = {p: p.stat().st_mtime_ns for p in (outside, *outside.rglob("*"))}
    outcome = airl("train", f"resume={received}")
    assert outcome.code == 2
    assert "leads out of the run directory" in outcome.err
    assert {p: p.stat().st_mtime_ns for p in (outside, *outside.rglob("*"))} == before


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ("expert", {"_target_": "airl_cli.experts.TrainedExpert", "cache_dir": "/victim/experts"}),
        ("expert", {"_target_": "airl_cli.experts.TrainedExpert", "cache_dir": "../experts"}),
        ("generator/tensorboard_log", "/victim/logs"),
        ("trainer/log_dir", "/victim/logs"),
    ],
)
def test_a_received_config_chooses_no_place_to_write_to(
    airl: Airl, received: Path, canary: Path, node: str, value: Any
) -> None:
    change(received, node, value)
    outcome = airl("train", f"resume={received}")
    assert outcome.code == 2
    assert not Path("/victim").exists()


@pytest.mark.parametrize("name", ["../../outside", "/etc", "final/../../..", "."])
def test_a_checkpoint_is_a_name_and_no_path(received: Path, name: str) -> None:
    with pytest.raises(NotFoundError):
        load_run(received, checkpoint=name)


# -- sizes -------------------------------------------------------------------------------------


def safetensors_of(shape: list[int]) -> bytes:
    size = 4 * int(np.prod([float(n) for n in shape]))
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}
    header = json.dumps({"weight": entry}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * 16


@pytest.mark.parametrize("shape", [[10**6, 10**6], [2**40], [2**62, 2**62], [0] * 100])
@pytest.mark.parametrize("name", ["final/policy", "final/reward", "4/state"])
def test_tensors_that_claim_to_be_giant_are_refused_before_memory_is_taken(
    received: Path, shape: list[int], name: str
) -> None:
    (received / f"checkpoints/{name}.safetensors").write_bytes(safetensors_of(shape))
    sign(received / "checkpoints/4")
    if name.startswith("final"):
        with pytest.raises(InvalidValueError):
            load_run(received)
    else:
        found = newest_checkpoint(received)
        assert found is None or found.rounds < 4


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ("reward/reward_hid_sizes", [10**9]),
        ("reward/reward_hid_sizes", [60000, 60000, 60000]),
        ("generator/policy_kwargs/net_arch", [2**31, 2**31]),
        ("generator/policy_kwargs/net_arch", {"pi": [10**12], "vf": [64]}),
        ("generator/n_steps", 10**15),
        ("env/n_envs", 10**9),
    ],
)
def test_nets_and_buffers_of_giant_size_are_not_built(
    airl: Airl, received: Path, canary: Path, node: str, value: Any
) -> None:
    change(received, node, value)
    outcome = airl("train", f"resume={received}")
    assert outcome.code == 2, outcome
    if not node.startswith("env"):
        with pytest.raises(InvalidValueError):
            load_run(received)


@pytest.mark.parametrize("shape", [[10**9], [10**5, 10**5], [2] * 40, [-1], ["8"], [1e300]])
def test_spaces_of_giant_or_senseless_shape_are_refused(received: Path, shape: list) -> None:
    box = {"type": "Box", "shape": shape, "dtype": "float32", "low": 0.0, "high": 1.0}
    spaces = {"observation_space": box, "action_space": box}
    (received / "spaces.json").write_text(json.dumps(spaces))
    with pytest.raises(InvalidValueError):
        load_run(received)


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 100_000, '{"a":' * 100_000, " " * (17 * 2**20), "1" * 100_000, '{"env": NaN}'),
        *("[]", "null", '"text"', "{}", "\ufeff{}", '{"trainer": []}', "\0" * 100),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("name", ["config.json", "spaces.json", "checkpoints/4/state.json"])
def test_json_that_is_deep_long_or_something_else_is_refused(
    received: Path, name: str, text: str
) -> None:
    (received / name).write_text(text)
    sign(received / "checkpoints/4")
    if name.startswith("checkpoints"):
        found = newest_checkpoint(received)
        assert found is None or found.rounds < 4
    else:
        with pytest.raises(InvalidValueError):
            load_run(received)


def read_demonstrations(path: Path) -> formats.Recording:
    return formats.read(str(path))


def bomb(path: Path, name: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(2**24))
    assert path.stat().st_size < 2**15
    return path


@pytest.mark.parametrize("name", ["policy.pth", "obs.npy", "header.npy", "data"])
def test_archives_that_grow_without_measure_are_not_unpacked(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airl_cli.data.formats.base.MAX_BYTES", 2**20)
    path = bomb(tmp_path / f"{name}.zip", name)
    for read in (read_model, read_demonstrations):
        with pytest.raises(InvalidValueError):
            read(path)


def test_an_archive_cannot_write_outside(tmp_path: Path, canary: Path) -> None:
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"../{canary.name}", "x")
        archive.writestr(str(canary), "x")
    for read in (read_model, read_demonstrations):
        with pytest.raises(InvalidValueError):
            read(path)


def test_yaml_of_a_received_run_is_never_read(received: Path, canary: Path) -> None:
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        text = f"!!python/object/apply:os.system ['touch {canary}']\n"
        (received / ".hydra").mkdir(exist_ok=True)
        (received / ".hydra" / name).write_text(text)
    assert opened(received) == []
