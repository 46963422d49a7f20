"""Environments stepped by threads, for those whose step releases the interpreter's lock."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs

from airl_cli.envs.stepping import EnvMaker, LeanDummyVecEnv

Share = Sequence[int]
"""Indices of the copies that one thread steps, in their order."""


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ThreadedVecEnv(LeanDummyVecEnv):
    """`LeanDummyVecEnv`, its copies in equal shares stepped by as many threads as there are cores.

    The copies are those of `LeanDummyVecEnv`, seeded alike, and no thread touches the copies of
    another: what comes out is the same to the bit, unless copies share a state
    (`airl_cli.envs.independence` finds out). It is faster where `step` spends its time outside of
    the interpreter, as MuJoCo's does; pure Python is not.

    An exception of a copy is raised by `step_wait` or `reset` when all threads are done; of
    several, that of the first share.

    Args:
        makers: Makes one copy each, in the thread that calls.
        n_threads: At most; the thread that calls counts. None: the usable cores.
    """

    def __init__(self, makers: Sequence[EnvMaker], n_threads: int | None = None) -> None:
        super().__init__(list(makers))
        n_shares = min(n_threads or usable_cores(), self.num_envs)
        indices = np.array_split(np.arange(self.num_envs), n_shares)
        self._crew = _Crew([share.tolist() for share in indices])
        weakref.finalize(self, self._crew.dismiss)

    def share_out(self, shares: Sequence[Share]) -> None:
        """Divides the copies among as many threads as there are shares.

        Args:
            shares: Of each thread, the one that calls first; each copy occurs once.
        """
        self._crew.dismiss(wait=True)
        self._crew = _Crew(shares)
        weakref.finalize(self, self._crew.dismiss)

    def reset(self) -> VecEnvObs:
        """Starts new episodes with the seeds and options that were set."""

        def restart(share: Share) -> None:
            for i in share:
                more = {"options": self._options[i]} if self._options[i] else {}
                obs, self.reset_infos[i] = self.envs[i].reset(seed=self._seeds[i], **more)
                self._save_obs(i, obs)

        self._crew.work(restart)
        self._reset_seeds()
        self._reset_options()
        return self._obs_from_buf()

    def close(self) -> None:
        """Ends the threads, and closes all copies."""
        self._crew.dismiss(wait=True)
        super().close()

    def _step_all(self, rewards: np.ndarray, dones: np.ndarray, infos: list[Any]) -> None:
        self._crew.work(lambda share: self._step_copies(share, rewards, dones, infos))


Work = Callable[[Share], None]


class _Crew:
    """Threads that wait for work; each does it for a share of its own.

    Args:
        shares: The first is done by the thread that calls `work`.
    """

    def __init__(self, shares: Sequence[Share]) -> None:
        self._own = shares[0]
        self._results: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()
        self._inboxes: list[SimpleQueue[Work | None]] = []
        self._busy = 0
        for number, share in enumerate(shares[1:], start=1):
            inbox: SimpleQueue[Work | None] = SimpleQueue()
            self._inboxes.append(inbox)
            threading.Thread(
                target=_labour,
                args=(inbox, self._results, number, share),
                name=f"environments {share[0]} to {share[-1]}",
                daemon=True,  # an interpreter that ends does not wait for a step
            ).start()

    def work(self, work: Work) -> None:
        """Does `work` for all shares, and returns when it is done.

        Raises:
            BaseException: What was raised for the first share that failed.
        """
        self._wait()  # for those that an interrupt left alone
        self._busy = len(self._inboxes)
        for inbox in self._inboxes:
            inbox.put(work)
        own: BaseException | None = None
        try:
            work(self._own)
        except BaseException as error:
            own = error
        errors = self._wait()
        if own is not None:
            raise own
        if errors:
            raise errors[min(errors)]

    def dismiss(self, wait: bool = False) -> None:
        """Ends the threads once their work is done.

        Args:
            wait: Until it is done.
        """
        if wait:
            self._wait()
        for inbox in self._inboxes:
            inbox.put(None)
        self._inboxes, self._busy = [], 0

    def _wait(self) -> dict[int, BaseException]:
        errors = {}
        while self._busy:
            number, error = self._results.get()
            self._busy -= 1
            if error is not None:
                errors[number] = error
        return errors


def _labour(
    inbox: SimpleQueue[Work | None],
    results: SimpleQueue[tuple[int, BaseException | None]],
    number: int,
    share: Share,
) -> None:
    """A thread's life. It refers to no vectorised environment while it waits."""
    while (work := inbox.get()) is not None:
        try:
            work(share)
        except BaseException as error:
            result: tuple[int, BaseException | None] = (number, error)
        else:
            result = (number, None)
        del work
        results.put(result)
        del result
