"""Random streams that do not disturb one another."""

import random
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from airl_cli.errors import InvalidValueError


def derive_seed(seed: int, purpose: str) -> int:
    """A seed in [0, 2**31) for one purpose of a run, e.g. `"evaluation"`.

    Every random stream is derived in this way from a seed that the user sets, so that streams of
    different seeds or purposes are independent: evaluation episodes are none of those of training
    or of the demonstrations, and runs with neighbouring seeds have no episode in common.
    """
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return int(sequence.generate_state(1)[0] >> 1)


@contextmanager
def isolated_rng(seed: int) -> Iterator[None]:
    """Seed Python's, NumPy's and torch's global generators for a block, and restore them after.

    SB3 policies draw their actions from torch's global generator: without this, whether an expert
    came from the cache would change the training that follows.
    """
    cuda = torch.cuda.is_available()
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if cuda else []
    random.seed(seed)
    # Not NumPy's with the same number as torch's: both are MT19937, which would repeat its bits.
    np.random.seed(derive_seed(seed, "numpy"))
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda_states)


def global_rng_state() -> dict[str, Any]:
    """States of Python's, NumPy's and torch's global generators; leaves are numbers and tensors."""
    version, words, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": {"version": version, "words": list(words), "gauss": gauss},
        "numpy": {
            "name": name,
            "keys": np.array(keys, dtype=np.int64),
            "rest": [float(value) for value in rest],
        },
        "torch": torch.get_rng_state(),
        "cuda": {
            str(index): state
            for index, state in enumerate(
                torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
            )
        },
    }


def load_global_rng_state(state: Mapping[str, Any]) -> None:
    """Puts the states back; those of GPUs that are not there are left out.

    Raises:
        InvalidValueError: If it is none.
    """
    try:
        python, legacy = state["python"], state["numpy"]
        random.setstate((python["version"], tuple(python["words"]), python["gauss"]))
        position, has_gauss, gauss = legacy["rest"]
        keys = np.array(legacy["keys"]).astype(np.uint32)
        np.random.set_state((legacy["name"], keys, int(position), int(has_gauss), gauss))
        torch.set_rng_state(torch.as_tensor(state["torch"]).clone())
        if torch.cuda.is_available():
            for index in range(min(torch.cuda.device_count(), len(state["cuda"]))):
                torch.cuda.set_rng_state(state["cuda"][str(index)].clone(), index)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidValueError(f"this is no state of random generators: {error!r}") from error
