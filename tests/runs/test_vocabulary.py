"""A recorded config is data: only words of the vocabulary stand for classes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import stable_baselines3 as sb3
import torch
from gymnasium import spaces

from airl_cli.algorithms import GAIL
from airl_cli.envs import EnvSpec
from airl_cli.errors import AirlError, InvalidValueError
from airl_cli.experts import TrainedExpert
from airl_cli.rewards import BasicRewardNet, RunningNorm
from airl_cli.runs.vocabulary import KINDS, Received, check_size

OBS = spaces.Box(-1, 1, (3,))
ACT = spaces.Discrete(2)
OPEN = Received()


def node(target: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": target, **arguments}


def test_nodes_and_those_within_them_become_what_they_describe() -> None:
    make = OPEN.value(
        node(
            "airl_cli.rewards.BasicRewardNet",
            _partial_=True,
            hid_sizes=[5, 4],
            normalize_input_layer=node("airl_cli.rewards.RunningNorm", _partial_=True),
            use_done=True,
        ),
        "reward",
    )
    assert make.func is BasicRewardNet
    net = make(OBS, ACT)
    assert [m.out_features for m in net.modules() if isinstance(m, torch.nn.Linear)] == [5, 4, 1]
    assert any(isinstance(m, RunningNorm) for m in net.modules())
    assert net.use_done


def test_numbers_keep_the_type_that_they_are_written_with() -> None:
    ppo = node("stable_baselines3.PPO", learning_rate=1, gamma=1, clip_range=0.5)
    assert OPEN.value(ppo, "generator").keywords == {
        "learning_rate": 1,
        "gamma": 1,
        "clip_range": 0.5,
    }
    assert isinstance(OPEN.value(ppo, "generator").keywords["gamma"], int)


@pytest.mark.parametrize("getter", ["get_class", "get_method", "get_object"])
def test_a_class_itself_is_found_by_the_same_rules(getter: str) -> None:
    def algorithm(path: str) -> dict[str, Any]:
        activation = node(f"hydra.utils.{getter}", path=path)
        return node("stable_baselines3.PPO", policy_kwargs={"activation_fn": activation})

    made = OPEN.value(algorithm("torch.nn.ReLU"), "generator")
    assert isinstance(made, partial)
    assert made.func is sb3.PPO
    assert made.keywords == {"policy_kwargs": {"activation_fn": torch.nn.ReLU}}
    with pytest.raises(InvalidValueError, match="does not call"):
        OPEN.value(algorithm("os.system"), "generator")


def test_an_expert_and_its_algorithm() -> None:
    algorithm = node("airl_cli.generators.FastPPO", policy="MlpPolicy", n_steps=8)
    described = node(
        "airl_cli.experts.TrainedExpert", algorithm=algorithm, total_timesteps=10, seed=3
    )
    expert = OPEN.value(described, "expert")
    assert isinstance(expert, TrainedExpert)
    assert expert.seed == 3 and expert.algorithm.keywords == {"policy": "MlpPolicy", "n_steps": 8}


def test_schedules_are_made() -> None:
    ppo = node(
        "stable_baselines3.PPO",
        learning_rate=node(
            "stable_baselines3.common.utils.LinearSchedule", start=0.5, end=0, end_fraction=1
        ),
    )
    assert OPEN.value(ppo, "generator").keywords["learning_rate"](0.5) == 0.25


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("torch.nn.modules.activation.Tanh", "activation"),
        ("stable_baselines3.ppo.ppo.PPO", "generator"),
        ("airl_cli.algorithms.gail.GAIL", "trainer"),
    ],
)
def test_a_class_may_be_named_by_where_it_is_defined(name: str, kind: str) -> None:
    assert OPEN.value(node(name), kind).func.__name__ == name.rpartition(".")[2]


def test_every_word_stands_for_a_class_of_its_kind() -> None:
    from airl_cli.nodes import import_name

    for kind, (_, _, names, _) in KINDS.items():
        for name in names:
            try:
                found = import_name(name)
            except (ImportError, AttributeError):  # of an extra, or of another edition
                assert not name.startswith("airl_cli.rewards"), name
                continue
            assert isinstance(found, type), (kind, name)


@pytest.mark.parametrize(
    "name",
    [
        *("os.system", "builtins.eval", "functools.partial", "hydra.utils.instantiate"),
        *("torch.load", "torch.nn.Module.__init__", "torch.nn.modules.module.torch.load"),
        *("airl_cli.files.os.system", "airl_cli.serialization.write_json", "airl_cli.runs"),
        *("airl_cli.runs.loggers.RunLogger.write", "airl_cli.runs.loggers.make_logger"),
        *("airl_cli.experts.HubExpert", "gymnasium.wrappers.RecordVideo", "torch.nn.LSTM"),
        *("torch.nn.Embedding", "torch.nn.Transformer", "airl_clix.rewards.X"),
    ],
)
def test_everything_else_is_refused_in_every_place(name: str) -> None:
    for kind in KINDS:
        for received in (OPEN, Received(("airl_cli", "torch", "gymnasium"))):
            with pytest.raises(InvalidValueError, match="does not call|not a dotted name"):
                received.value(node(name), kind)


def test_a_word_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="does not call"):
        OPEN.value(node("torch.optim.Adam"), "trainer")


@pytest.mark.parametrize("name", [None, 3, "", "airl_cli.", "a b", "airl_cli.rewards.X()", ["os"]])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidValueError, match="not a dotted name|has no _target_"):
        OPEN.value({"_target_": name}, "reward")


def test_positional_arguments_do_not_exist() -> None:
    for args in ([], 5, [{"_target_": "os.system"}], ["evil:Env-v0"]):
        with pytest.raises(InvalidValueError, match="no positional arguments"):
            OPEN.value(node("airl_cli.envs.EnvSpec", _args_=args), "env")


OWN = """
from airl_cli.rewards import BasicRewardNet
import gymnasium, os
class Net(BasicRewardNet):
    pass
class Wrapper(gymnasium.Wrapper):
    pass
class Other:
    pass
def function(*args, **kwargs):
    raise AssertionError("called")
instance = Other()
from torch.nn import LSTM
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the user's own."""
    (tmp_path / "own_nets_of_a_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_nets_of_a_test"


def test_own_classes_are_found_where_their_package_is_trusted(own: str) -> None:
    net = node(f"{own}.Net", hid_sizes=[3], normalize_input_layer=node("airl_cli.rewards.EMANorm"))
    with pytest.raises(InvalidValueError, match="does not call") as caught:
        OPEN.value(net, "reward")
    assert "trust=[" in caught.value.remedy
    trusting = Received((own,))
    assert trusting.value(net, "reward")(OBS, ACT).use_state
    assert issubclass(trusting.value(node(f"{own}.Wrapper"), "wrapper").func, gymnasium.Wrapper)


@pytest.mark.parametrize("name", ["Other", "function", "instance", "os.system", "LSTM", "Wrapper"])
def test_trust_reaches_only_classes_of_the_kind_of_the_place(own: str, name: str) -> None:
    with pytest.raises(InvalidValueError):
        Received((own,)).value(node(f"{own}.{name}"), "reward")


def env(**arguments: Any) -> Any:
    return OPEN.value(node("airl_cli.envs.EnvSpec", **arguments), "env")


def test_environments_are_those_that_are_registered() -> None:
    assert env(id="X-v0", kwargs={"a": [1, 2.5, None, True, "word"]}) == EnvSpec(
        "X-v0", kwargs={"a": [1, 2.5, None, True, "word"]}
    )
    assert env(id="seals/CartPole-v0", import_module="seals").import_module == "seals"
    for arguments in ({"id": "m:X-v0"}, {"id": "X-v0", "import_module": "m"}):
        with pytest.raises(InvalidValueError, match="would import 'm'") as caught:
            env(**arguments)
        assert "trust=[package]" in caught.value.remedy
    trusting = Received(("m",))
    assert trusting.value(node("airl_cli.envs.EnvSpec", id="m:X-v0"), "env").id == "m:X-v0"


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "../x", "module:thing", "${oc.env:HOME}", "a\x1b[2J", "x" * 100]
)
def test_arguments_of_environments_hold_no_paths_and_no_modules(text: str) -> None:
    for kwargs in ({"x": text}, {"x": [text]}, {"x": {"y": text}}):
        with pytest.raises(InvalidValueError):
            env(id="X-v0", kwargs=kwargs)


@pytest.mark.parametrize(
    ("kind", "described", "message"),
    [
        ("reward", node("airl_cli.rewards.BasicRewardNet", hid_sizes=[-4]), "hid_sizes.0=-4"),
        ("reward", node("airl_cli.rewards.BasicRewardNet", hid_sizes=[10**9]), "out of range"),
        ("reward", node("airl_cli.rewards.BasicRewardNet", hid_sizes=[4] * 99), "hid_sizes"),
        ("reward", node("airl_cli.rewards.BasicRewardNet", use_done="yes"), "use_done='yes'"),
        ("reward", node("airl_cli.rewards.BasicRewardNet", nonsense=1), "a key nonsense"),
        ("generator", node("stable_baselines3.PPO", gamma=float("nan")), "gamma=nan"),
        ("generator", node("stable_baselines3.PPO", gamma=True), "gamma=True"),
        ("generator", node("stable_baselines3.PPO", learning_rate="1"), "learning_rate='1'"),
        ("generator", node("stable_baselines3.PPO", tensorboard_log="x"), "tensorboard_log='x'"),
        ("generator", node("stable_baselines3.PPO", env="m:X-v0"), "a key env"),
        ("generator", node("stable_baselines3.PPO", policy="builtins.str"), "policy"),
        ("generator", node("stable_baselines3.SAC", buffer_size=10**12), "buffer_size"),
        ("trainer", node("airl_cli.algorithms.AIRL", log_dir="/x"), "a key log_dir"),
        ("env", node("airl_cli.envs.EnvSpec", id=5), "id=5"),
        ("env", node("airl_cli.envs.EnvSpec", id="X-v0", n_envs=1.5), "n_envs=1.5"),
        ("env", node("airl_cli.envs.EnvSpec", id="X-v0", kwargs=[1]), "kwargs"),
        ("env", node("airl_cli.envs.EnvSpec", id="X-v0", wrappers="abc"), "wrappers='abc'"),
        ("expert", node("airl_cli.experts.TrajectoriesExpert", path="a" * 5000), "path"),
        ("expert", node("airl_cli.experts.ClonedExpert", teacher=5), "5 has no _target_"),
        ("expert", node("airl_cli.experts.MinariExpert", dataset="x", download=True), "download"),
        ("expert", node("airl_cli.experts.CheckpointExpert", trust_pickle=True), "pickle"),
    ],
)
def test_arguments_have_types_and_bounds(
    kind: str, described: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        OPEN.value(described, kind)


def test_experts_are_kept_in_the_usual_place_or_one_that_holds_some(tmp_path: Path) -> None:
    assert OPEN.cache_dir("outputs/experts") == "outputs/experts"
    with pytest.raises(InvalidValueError, match="would keep its expert in"):
        OPEN.cache_dir(str(tmp_path))
    (tmp_path / "one").mkdir()
    (tmp_path / "one/expert.json").touch()
    assert OPEN.cache_dir(str(tmp_path)) == str(tmp_path)
    assert Received(typed_cache="typed").cache_dir("anything") == "typed"


def test_nets_of_giant_size_are_refused_before_they_are_built() -> None:
    small = {"reward": node("x", hid_sizes=[256, 256]), "generator": {}}
    check_size(small, 100)
    for arguments in (
        {"hid_sizes": [8192] * 3},
        {"hid_sizes": [4096, 4096], "n_members": 64},
        {"policy_kwargs": {"net_arch": {"pi": [8192, 8192], "vf": [64]}}},
    ):
        with pytest.raises(InvalidValueError, match="too large"):
            check_size({"reward": arguments}, 4)
    with pytest.raises(InvalidValueError, match="too large"):
        check_size(small, 10**7)


def test_sections_are_named_and_depth_is_bounded() -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = {"x": deep}
    spec = node("airl_cli.envs.EnvSpec", id="X-v0")
    for config, message in (
        ({}, "no 'env' section"),
        ({"env": 3}, "no 'env' section"),
        ({"env": {"id": "X-v0"}}, "env: .* has no _target_"),
        ({"env": {**spec, "kwargs": deep}}, "levels deep"),
        ({"env": {**spec, "n_envs": 0}}, "env: n_envs=0"),
    ):
        with pytest.raises(AirlError, match=message):
            OPEN.read(config, "env")
    assert OPEN.read({"env": spec}, "env") == EnvSpec("X-v0")
    assert OPEN.read({"trainer": node("airl_cli.GAIL", extra=1)}, "trainer", "extra").func is GAIL
