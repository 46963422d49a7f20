"""A config that is read back calls nothing but what is on the list."""

from functools import partial
from typing import Any

import pytest
import stable_baselines3 as sb3
import torch
from gymnasium import spaces

from airl_cli.algorithms import GAIL
from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidValueError
from airl_cli.rewards import BasicRewardNet, RewardEnsemble, RunningNorm
from airl_cli.runs.safe_config import resolve, safe_instantiate

OBS = spaces.Box(-1, 1, (3,))
ACT = spaces.Discrete(2)


def test_nested_nodes_partials_and_arguments_are_built() -> None:
    node = {
        "_target_": "airl_cli.rewards.BasicRewardNet",
        "_partial_": True,
        "hid_sizes": [5, 4],
        "normalize_input_layer": {"_target_": "airl_cli.rewards.RunningNorm", "_partial_": True},
    }
    make = safe_instantiate(node, use_done=True)
    assert make.func is BasicRewardNet
    net = make(OBS, ACT)
    assert [m.out_features for m in net.modules() if isinstance(m, torch.nn.Linear)] == [5, 4, 1]
    assert any(isinstance(m, RunningNorm) for m in net.modules())
    assert net.use_done


def test_positional_arguments_and_lists_of_nodes() -> None:
    member = {"_target_": "airl_cli.rewards.BasicRewardNet", "_args_": [OBS, ACT]}
    node = {"_target_": "airl_cli.rewards.RewardEnsemble", "members": [member, member]}
    ensemble = safe_instantiate(node, OBS, ACT)
    assert isinstance(ensemble, RewardEnsemble)
    assert len(ensemble.members) == 2


@pytest.mark.parametrize("getter", ["get_class", "get_method", "get_object"])
def test_classes_as_values_are_resolved_by_the_same_rules(getter: str) -> None:
    def node(path: str) -> dict[str, Any]:
        activation = {"_target_": f"hydra.utils.{getter}", "path": path}
        return {
            "_target_": "stable_baselines3.PPO",
            "_partial_": True,
            "policy_kwargs": {"activation_fn": activation},
        }

    made = safe_instantiate(node("torch.nn.ReLU"))
    assert isinstance(made, partial)
    assert made.func is sb3.PPO
    assert made.keywords == {"policy_kwargs": {"activation_fn": torch.nn.ReLU}}
    with pytest.raises(InvalidValueError, match="does not call"):
        safe_instantiate(node("os.system"))


@pytest.mark.parametrize(
    "name",
    [
        "stable_baselines3.A2C",
        "sb3_contrib.TRPO",
        "torch.optim.Adam",
        "torch.nn.Tanh",
        "torch.nn.modules.activation.Tanh",
        "airl_cli.algorithms.AIRL",
        "airl_cli.GAIL",
        "airl_cli.envs.EnvSpec",
        "airl_cli.experts.TrainedExpert",
        "airl_cli.rewards.BasicShapedRewardNet",
        "gymnasium.wrappers.TimeLimit",
        "stable_baselines3.common.torch_layers.FlattenExtractor",
    ],
)
def test_what_a_run_needs_is_allowed(name: str) -> None:
    assert callable(resolve(name))


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "functools.partial",
        "hydra.utils.instantiate",
        "pickle.loads",
        "torch.load",
        "torch.nn.Module.__init__",
        "torch.nn.modules.module.torch.load",
        "airl_cli.files.os.system",
        "airl_cli.serialization.write_json",
        "airl_cli.runs.machine.subprocess.run",
        "airl_cli.runs.Run.create",
        "airl_cli.runs",
        "airl_cli.experts.cache.store",
        "stable_baselines3.PPO.load",
        "stable_baselines3.common.save_util.load_from_pkl",
        "stable_baselines3.common.base_class.BaseAlgorithm.load",
        "gymnasium.wrappers.RecordVideo.close",
        "airl_clix.rewards",
    ],
)
def test_everything_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="does not call|not a dotted name"):
        resolve(name)


@pytest.mark.parametrize("name", [None, 3, "", "airl_cli.", "a b", "airl_cli.rewards.X()", ["os"]])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidValueError, match="not a dotted name"):
        resolve(name)


@pytest.mark.parametrize("name", ["airl_cli.rewards.Nothing", "airl_cli.nothing.X", "torch.nn.Nix"])
def test_unknown_names_are_said(name: str) -> None:
    with pytest.raises(InvalidValueError, match=f"there is no {name}"):
        resolve(name)


def test_own_packages_must_be_named_as_trusted() -> None:
    with pytest.raises(InvalidValueError) as caught:
        resolve("fractions.Fraction")
    assert "trusted=" in caught.value.remedy
    assert resolve("fractions.Fraction", trusted=["fractions"]).__name__ == "Fraction"
    node = {"_target_": "fractions.Fraction", "_args_": [1, 2]}
    assert safe_instantiate(node, trusted=["fractions"]) * 2 == 1


def test_malformed_nodes_are_refused() -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = {"x": deep}
    spec = {"_target_": "airl_cli.envs.EnvSpec", "id": "X-v0"}
    for node, message in (
        ({"id": "X-v0"}, "has no _target_"),
        (None, "has no _target_"),
        ({**spec, "kwargs": deep}, "levels deep"),
        ({**spec, "id": "${oc.env:HOME}"}, "unresolved interpolation"),
        ({**spec, "nonsense": 1}, "does not take these arguments: .*nonsense"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            safe_instantiate(node)
    assert safe_instantiate(spec) == EnvSpec("X-v0")


def test_the_object_counts_and_not_the_spelling() -> None:
    assert resolve("airl_cli.algorithms.gail.GAIL") is resolve("airl_cli.GAIL") is GAIL
    with pytest.raises(InvalidValueError, match="does not call"):
        resolve("airl_cli.runs.layout.shutil.rmtree")
