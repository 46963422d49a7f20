import numpy as np
import pytest
import torch as th
from torch.utils.data import DataLoader

from airl_cli.algorithms.batch import TransitionBatch
from airl_cli.algorithms.samples import GeneratorBuffer, demonstration_sampler
from airl_cli.data import rollout
from airl_cli.errors import InvalidTypeError, InvalidValueError
from support.line import line_demonstrations

CPU = th.device("cpu")


def mapping(n: int, offset: int = 0) -> dict[str, np.ndarray]:
    column = np.arange(offset, offset + n, dtype=np.float64)
    return {
        "obs": column[:, None],
        "acts": column.astype(np.int64),
        "next_obs": column[:, None] + 1,
        "dones": np.zeros(n, dtype=bool),
        "infos": np.array([{}] * n),
    }


def sampler_of(demonstrations, batch_size: int = 4):
    return demonstration_sampler(demonstrations, batch_size, np.random.default_rng(0), CPU)


@pytest.mark.parametrize("kind", ["trajectories", "transitions", "mapping"])
def test_whole_demonstrations_are_sampled_without_repetition(kind: str) -> None:
    trajectories = line_demonstrations(4)
    transitions = rollout.flatten_trajectories(trajectories)
    given = {
        "trajectories": trajectories,
        "transitions": transitions,
        "mapping": {k: getattr(transitions, k) for k in ("obs", "acts", "next_obs", "dones")},
    }[kind]
    batch = sampler_of(given).sample(len(transitions))
    order = np.lexsort(transitions.obs.T)
    got = batch.obs.numpy()
    np.testing.assert_array_equal(got[np.lexsort(got.T)], transitions.obs[order])


def test_rows_of_a_batch_stay_together() -> None:
    batch = sampler_of(mapping(100)).sample(50)
    assert th.equal(batch.obs + 1, batch.next_obs)
    assert th.equal(batch.obs.flatten().long(), batch.acts)


def test_float64_becomes_float32_once() -> None:
    assert sampler_of(mapping(10)).sample(4).obs.dtype == th.float32


def test_a_stream_is_cut_to_the_batch_size_and_read_again() -> None:
    sampler = sampler_of([mapping(3), mapping(3, offset=3)])
    seen = th.cat([sampler.sample(4).acts for _ in range(3)])
    assert seen.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]


def test_a_data_loader_is_a_stream() -> None:
    rows = [{k: v[i] for k, v in mapping(10).items() if k != "infos"} for i in range(10)]
    sampler = sampler_of(DataLoader(rows, batch_size=5))
    assert sampler.sample(10).acts.tolist() == list(range(10))


def test_an_exhausted_iterator_says_so() -> None:
    sampler = sampler_of(iter([mapping(3)]))
    with pytest.raises(InvalidValueError, match="read from the start again"):
        sampler.sample(4)


def test_fewer_demonstrations_than_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 3"):
        sampler_of(mapping(3))


@pytest.mark.parametrize("given", [[], 7, "demos.npz"])
def test_what_is_no_demonstration_is_refused(given) -> None:
    with pytest.raises((InvalidTypeError, InvalidValueError)):
        sampler_of(given)


def test_missing_fields_and_uneven_lengths_are_named() -> None:
    incomplete = mapping(10)
    del incomplete["next_obs"]
    with pytest.raises(InvalidValueError, match="next_obs"):
        sampler_of(incomplete)
    with pytest.raises(InvalidValueError, match=r"\[9, 10\]"):
        sampler_of({**mapping(10), "dones": np.zeros(9, dtype=bool)})


def batch_of(*values: int) -> TransitionBatch:
    column = np.array(values)
    return TransitionBatch.of(
        {"obs": column[:, None], "acts": column, "next_obs": column[:, None], "dones": column > 0}
    )


def test_generator_buffer_keeps_the_newest() -> None:
    buffer = GeneratorBuffer(4, np.random.default_rng(0))
    buffer.store(batch_of(0, 1, 2))
    assert len(buffer) == 3
    buffer.store(batch_of(3, 4))
    assert sorted(buffer.sample(4).acts.tolist()) == [1, 2, 3, 4]
    buffer.store(batch_of(*range(10, 20)))
    assert sorted(buffer.sample(4).acts.tolist()) == [16, 17, 18, 19]


def test_a_reservoir_is_a_uniform_sample_of_all_there_was() -> None:
    counts = np.zeros(40)
    for seed in range(400):
        buffer = GeneratorBuffer(8, np.random.default_rng(seed), reservoir=True)
        for start in (0, 5, 20):
            stop = {0: 5, 5: 20, 20: 40}[start]
            buffer.store(batch_of(*range(start, stop)))
        kept = buffer.sample(8).acts.long().tolist()
        assert len(set(kept)) == 8
        counts[kept] += 1
    # Binomial(400, 8 / 40): mean 80, standard deviation 8.
    assert counts.sum() == 3200
    assert np.abs(counts - 80).max() < 4 * 8
    assert np.abs(counts.reshape(8, 5).mean(1) - 80).max() < 12


@pytest.mark.parametrize("reservoir", [False, True])
def test_a_restored_generator_buffer_goes_on_as_if_nothing_had_happened(reservoir: bool) -> None:
    def samples(interrupted: bool) -> list[float]:
        rng = np.random.default_rng(3)
        buffer = GeneratorBuffer(6, rng, reservoir=reservoir)
        for start in range(0, 30, 5):
            buffer.store(batch_of(*range(start, start + 5)))
            if interrupted:
                state = buffer.state_dict()
                buffer = GeneratorBuffer(6, rng, reservoir=reservoir)
                buffer.load_state_dict(state)
        return buffer.sample(6).acts.tolist()

    assert samples(interrupted=True) == samples(interrupted=False)


def test_generator_buffer_repeats_only_when_it_must() -> None:
    buffer = GeneratorBuffer(10, np.random.default_rng(0))
    buffer.store(batch_of(1, 2))
    assert set(buffer.sample(50).acts.tolist()) == {1, 2}


def test_an_empty_generator_buffer_says_what_to_call() -> None:
    with pytest.raises(RuntimeError, match=r"train_gen\(\)"):
        GeneratorBuffer(4, np.random.default_rng(0)).sample(1)


def test_a_generator_buffer_without_room_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="capacity"):
        GeneratorBuffer(0, np.random.default_rng(0))


def test_flags_may_be_a_column_as_replay_buffers_give_them():
    fields = {"obs": np.zeros((5, 2)), "acts": np.zeros(5), "next_obs": np.zeros((5, 2))}
    dones = np.array([True, False, False, True, False])
    flat, column = (TransitionBatch.of({**fields, "dones": d}) for d in (dones, dones[:, None]))
    assert column.dones.tolist() == flat.dones.tolist() == dones.tolist()
    with pytest.raises(InvalidValueError, match="dones of shape .5, 2. are not one flag"):
        TransitionBatch.of({**fields, "dones": np.stack([dones, dones], axis=1)})
