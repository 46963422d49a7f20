"""An expert is trained once, kept, reused, and refused when it is no expert."""

import dataclasses
import importlib
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3 as sb3
import torch
from filelock import FileLock

from airl_cli.envs import EnvSpec
from airl_cli.errors import InvalidTypeError, InvalidValueError
from airl_cli.experts import Demonstrations, TrainedExpert, cache
from airl_cli.serialization import read_json

News = Callable[[], list[str]]

PPO = partial(
    sb3.PPO, "MlpPolicy", n_steps=64, batch_size=64, learning_rate=1e-2, gamma=0.0, ent_coef=0.0
)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., TrainedExpert]:
    """Builds experts whose cache is empty."""

    def build(algorithm: Any = PPO, total_timesteps: int = 384, **kwargs: Any) -> TrainedExpert:
        kwargs = {"n_envs": 2, "n_episodes": 5, "cache_dir": str(tmp_path / "cache"), **kwargs}
        return TrainedExpert(algorithm, total_timesteps, **kwargs)

    return build


@pytest.fixture(scope="session")
def trained(env: EnvSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the expert which `make()` stands for."""
    folder = tmp_path_factory.mktemp("cache")
    TrainedExpert(PPO, 384, n_envs=2, cache_dir=str(folder)).demonstrations(env, seed=0)
    return folder


@pytest.fixture
def cached(make: Any, trained: Path, tmp_path: Path) -> TrainedExpert:
    """That expert, on a copy of its cache."""
    shutil.copytree(trained, tmp_path / "cache")
    return make()


def same(a: Demonstrations, b: Demonstrations) -> bool:
    return len(a.trajectories) == len(b.trajectories) and all(
        np.array_equal(x.obs, y.obs) and np.array_equal(x.acts, y.acts)
        for x, y in zip(a.trajectories, b.trajectories, strict=True)
    )


def test_the_second_time_the_expert_is_reused_and_gives_the_same(
    make: Any, env: EnvSpec, news: News
) -> None:
    first = make().demonstrations(env, seed=3)
    assert news()[0].startswith("training the expert in TinyMatch-v0: 384 steps")
    second = make().demonstrations(env, seed=3)
    assert [line.split(" ")[0] for line in news()] == ["reusing"]
    assert (first.provenance["reused"], second.provenance["reused"]) == (False, True)
    assert same(first, second)
    assert second.provenance["return_mean"] > 7


def test_demonstrations_are_whole_episodes_and_follow_the_runs_seed(
    cached: TrainedExpert, env: EnvSpec
) -> None:
    a, b = (cached.demonstrations(env, seed=seed) for seed in (0, 1))
    assert [len(t) for t in a.trajectories] == [10] * 5
    assert a.provenance["n_episodes"] == 5
    assert a.provenance["n_transitions"] == 50
    assert not same(a, b)
    assert a.returns.tolist() == [t.rews.sum() for t in a.trajectories]
    assert a.seconds > 0


def test_the_cache_says_what_the_expert_is(cached: TrainedExpert, env: EnvSpec) -> None:
    demonstrations = cached.demonstrations(env, seed=0)
    folder = Path(demonstrations.provenance["cache"])
    assert folder.name.startswith("TinyMatch-v0-")
    assert sorted(p.name for p in folder.iterdir()) == ["expert.json", "policy.safetensors"]
    record = read_json(folder / "expert.json")
    assert record["determined_by"]["algorithm"]["kwargs"]["learning_rate"] == 1e-2
    assert record["return_mean"] > record["random_return_mean"]
    assert record["env_steps"] == 384
    assert {p.name for p in folder.parent.iterdir()} == {folder.name, f"{folder.name}.lock"}


def test_every_setting_that_matters_makes_another_expert(make: Any, env: EnvSpec) -> None:
    base = make().folder(env)
    other_env = EnvSpec(env.id, kwargs={"n": 3})
    folders = [
        make(total_timesteps=700).folder(env),
        make(seed=1).folder(env),
        make(n_envs=3).folder(env),
        make(normalize_reward=True).folder(env),
        make(temperature=0.1).folder(env),
        make(partial(PPO, learning_rate=2e-2)).folder(env),
        make(partial(sb3.A2C, "MlpPolicy")).folder(env),
        make(partial(PPO, policy_kwargs={"activation_fn": torch.nn.ReLU})).folder(env),
        make().folder(other_env),
    ]
    assert len({base, *folders}) == len(folders) + 1


def test_settings_that_do_not_matter_share_the_expert(make: Any, env: EnvSpec) -> None:
    base = make().folder(env)
    assert make(n_episodes=7).folder(env) == base
    assert make(partial(PPO, device="cpu", verbose=0)).folder(env) == base
    assert make().folder(EnvSpec(env.id, n_envs=5)) == base


@pytest.mark.parametrize(
    ("file", "damage"),
    [("expert.json", b'{"format": 1}'), ("policy.safetensors", b""), ("policy.safetensors", None)],
)
def test_a_damaged_cache_is_trained_again_and_that_is_said(
    cached: TrainedExpert, env: EnvSpec, file: str, damage: bytes | None, news: News
) -> None:
    expert = cached
    first = expert.demonstrations(env, seed=0)
    path = expert.folder(env) / file
    path.unlink() if damage is None else path.write_bytes(damage)
    news()
    second = expert.demonstrations(env, seed=0)
    assert "damaged, training it again" in news()[0]
    assert not second.provenance["reused"]
    assert same(first, second)
    assert expert.demonstrations(env, seed=0).provenance["reused"]


def test_an_expert_no_better_than_random_is_refused_each_time(make: Any, env: EnvSpec) -> None:
    expert = make(partial(PPO, learning_rate=1e-9), total_timesteps=64)
    for _ in range(2):
        with pytest.raises(InvalidValueError, match="not better than random") as caught:
            expert.demonstrations(env, seed=0)
        assert "expert.total_timesteps" in caught.value.remedy


def test_whether_the_expert_was_cached_does_not_change_what_follows(
    make: Any, env: EnvSpec
) -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(5)
        np.random.seed(5)
        make().demonstrations(env, seed=0)
        draws.append((torch.rand(()).item(), np.random.rand()))
    assert draws[0] == draws[1]


def test_an_expert_waits_for_the_process_that_trains_it(
    make: Any, env: EnvSpec, news: News, monkeypatch: pytest.MonkeyPatch
) -> None:
    expert = make()
    folder = expert.folder(env)
    folder.parent.mkdir()
    held, asked = threading.Event(), threading.Event()

    def other_process() -> None:
        with FileLock(folder.parent / f"{folder.name}.lock"):
            held.set()
            asked.wait(30)

    logged = cache.log.info

    def info(line: str) -> None:
        logged(line)
        asked.set()

    monkeypatch.setattr(cache.log, "info", info)
    other = threading.Thread(target=other_process)
    other.start()
    held.wait(30)
    expert.demonstrations(env, seed=0)
    other.join()
    assert [line.split(" ")[0] for line in news()] == ["waiting", "training", "trained"]


def test_training_leaves_nothing_among_the_temporary_files(
    make: Any, env: EnvSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for temperature in (0.0, 0.1):
        make(temperature=temperature).demonstrations(env, seed=0)
    assert list(temporary.glob("SB3-*")) == []


def test_rewards_can_be_normalised_in_training_only(make: Any, env: EnvSpec) -> None:
    demonstrations = make(normalize_reward=True).demonstrations(env, seed=0)
    assert demonstrations.policy is not None
    assert set(np.concatenate([t.rews for t in demonstrations.trajectories])) <= {0.0, 1.0}


def test_an_expert_with_entropy_is_less_certain(make: Any, env: EnvSpec) -> None:
    returns = {
        temperature: make(temperature=temperature, total_timesteps=1024, n_episodes=20)
        .demonstrations(env, seed=0)
        .returns.mean()
        for temperature in (0.0, 2.0)
    }
    assert returns[0.0] > 9.5
    assert 5 < returns[2.0] < 9.2


def test_a_negative_temperature_is_refused(make: Any) -> None:
    with pytest.raises(InvalidValueError, match="^temperature must be at least 0, got"):
        make(temperature=-1)


def test_an_algorithm_that_does_not_fit_the_env_is_a_mistake(make: Any, env: EnvSpec) -> None:
    with pytest.raises(InvalidValueError, match="cannot be built"):
        make(partial(sb3.SAC, "MlpPolicy")).demonstrations(env, seed=0)
    with pytest.raises(InvalidValueError, match="unexpected keyword argument 'nonsense'"):
        make(partial(PPO, nonsense=1)).demonstrations(env, seed=0)


def test_settings_that_cannot_be_recognised_are_refused(make: Any, env: EnvSpec) -> None:
    with pytest.raises(InvalidTypeError, match="<lambda>"):
        make(partial(PPO, learning_rate=lambda _: 1e-3)).folder(env)


@pytest.mark.parametrize("name", ["total_timesteps", "n_envs", "n_episodes"])
def test_numbers_must_be_positive(make: Any, name: str) -> None:
    with pytest.raises(InvalidValueError, match=f"^{name} must be at least 1, got 0"):
        make(**{name: 0})


def test_a_cache_that_cannot_be_written_is_named(make: Any, env: EnvSpec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValueError, match="cannot write the expert cache") as caught:
        make(cache_dir=str(tmp_path / "file" / "experts")).demonstrations(env, seed=0)
    assert "expert.cache_dir" in caught.value.remedy


def test_an_edited_environment_gets_an_expert_of_its_own(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    # The environment, what it imports, and one of its wrappers: each may be edited.
    (tmp_path / "task_physics.py").write_text("GOOD = 0\n")
    (tmp_path / "task_wrapper.py").write_text(
        "import gymnasium as gym\nclass Same(gym.Wrapper): pass\n"
    )
    (tmp_path / "task_env.py").write_text(
        "import gymnasium as gym\nfrom gymnasium.envs.classic_control import CartPoleEnv\n"
        "from task_physics import GOOD\nclass Task(CartPoleEnv):\n    good = GOOD\n"
        "gym.register('EditedTask-v0', 'task_env:Task', max_episode_steps=5)\n"
    )

    def folder() -> Path:
        names = ("task_env", "task_physics", "task_wrapper")
        for name in names:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        for name in reversed(names):
            importlib.import_module(name)
        wrapper = sys.modules["task_wrapper"].Same
        found: Path = make().folder(EnvSpec("task_env:EditedTask-v0", wrappers=[wrapper]))
        return found

    first = folder()
    assert folder() == first
    seen = {first}
    for name in ("task_env", "task_physics", "task_wrapper"):
        path = tmp_path / f"{name}.py"
        path.write_text(path.read_text() + f"CHANGED_{name} = 'by a line'\n")
        seen.add(folder())
    assert len(seen) == 4
    assert "source" not in make()._determined_by(EnvSpec("CartPole-v1"))


def test_an_expert_far_below_its_recipes_promise_is_reported(
    cached: TrainedExpert, env: EnvSpec, news: News
) -> None:
    cached.demonstrations(env, seed=0)
    assert not any("promises" in line for line in news())
    for promised, reported in ((10.0, False), (100.0, True)):
        dataclasses.replace(cached, promised_return=promised).demonstrations(env, seed=0)
        lines = [line for line in news() if "promises" in line]
        assert bool(lines) == reported
    assert "its recipe promises 100.0 (random actions" in lines[0]
    assert "expert.seed=1" in lines[0]


def test_a_runs_expert_is_found_beside_the_run(
    cached: TrainedExpert, env: EnvSpec, news: News, tmp_path: Path, monkeypatch: Any
) -> None:
    run = tmp_path / "outputs" / "run"
    run.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    expert = dataclasses.replace(cached, cache_dir="cache")  # relative to where it was trained
    news()
    assert expert.beside(run, env).demonstrations(env, seed=0).provenance["reused"]
    assert not Path("cache").exists()
    lost = dataclasses.replace(expert, cache_dir="lost")
    news()
    assert lost.beside(run, env) is lost
    assert "is not found in lost, nor beside the run" in news()[0]


def test_of_several_candidates_the_best_is_finished(
    make: Any, env: EnvSpec, news: News, tmp_path: Path
) -> None:
    settings = {"total_timesteps": 1024, "seed": 1}
    best = make(**settings, n_candidates=3).demonstrations(env, seed=0)
    said = [line for line in news() if line.startswith("expert: candidate")]
    assert [line.split(" returns")[0] for line in said] == [
        f"expert: candidate {number} of 3" for number in (1, 2, 3)
    ]
    assert len({line.split()[6] for line in said}) > 1
    assert all(line.endswith("after 256 steps") for line in said)
    again = make(**settings, n_candidates=3, cache_dir=str(tmp_path / "elsewhere"))
    assert same(best, again.demonstrations(env, seed=0))


_remaining: list[float] = []


def _noting_rate(progress_remaining: float) -> float:
    _remaining.append(progress_remaining)
    return 1e-2


def test_a_chosen_candidate_trains_on_with_the_schedules_of_the_whole_training(
    make: Any, env: EnvSpec
) -> None:
    algorithm = partial(sb3.PPO, "MlpPolicy", n_steps=64, batch_size=64, learning_rate=_noting_rate)
    _remaining.clear()
    make(algorithm, total_timesteps=1024, n_candidates=2, seed=1).demonstrations(env, seed=0)
    updates = [share for share in _remaining if share < 1]  # but those of the construction
    assert updates == sorted(updates, reverse=True)
    assert updates[0] == 0.875  # a rollout of 128 steps of 1,024
    assert updates.count(0.875) == 2 * updates.count(0.625)  # both candidates, then the best
    assert updates[-1] <= 0.0


def test_candidates_are_not_compared_by_soft_returns(make: Any) -> None:
    with pytest.raises(InvalidValueError, match="n_candidates=2 with temperature=0.1"):
        make(n_candidates=2, temperature=0.1)
