import fcntl
import os

import pytest

from airl_cli.errors import InvalidValueError
from airl_cli.files import atomic_folder, take_lock


def test_a_lock_is_taken_once_until_it_is_given_back(tmp_path):
    path = tmp_path / "new" / ".lock"
    first = take_lock(path)
    assert first is not None and take_lock(path) is None
    first.release()
    again = take_lock(path)
    assert again is not None and again.is_locked


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValueError, match="cannot write .*/file/run: ") as caught:
        take_lock(tmp_path / "file" / "run" / ".lock")
    assert caught.value.remedy == "Choose a folder that can be written."


def test_a_lock_may_be_taken_by_other_users(tmp_path):
    lock = take_lock(tmp_path / ".lock")
    assert lock is not None
    assert (tmp_path / ".lock").stat().st_mode & 0o777 == 0o666


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "made"
    with pytest.raises(RuntimeError), atomic_folder(target) as folder:
        (folder / "file").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_folder(target) as folder:
        (folder / "file").write_text("x")
        assert not target.exists()
    assert [p.name for p in target.iterdir()] == ["file"]
    assert [p.name for p in tmp_path.iterdir()] == ["made"]


def test_a_folder_that_is_there_is_only_replaced_on_request(tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(InvalidValueError, match="exists already"), atomic_folder(tmp_path / "made"):
        pass
    with atomic_folder(tmp_path / "made", replace=True) as folder:
        (folder / "new").touch()
    assert (tmp_path / "made" / "new").exists()


def test_remains_of_killed_processes_are_removed_and_folders_in_the_making_are_not(tmp_path):
    dead, alive, other = (tmp_path / name for name in (".made.dead", ".made.alive", ".more.dead"))
    for folder in (dead, alive, other):
        folder.mkdir()
        os.utime(folder, (1, 1))
    handle = os.open(alive, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with atomic_folder(tmp_path / "made"):
            pass
    finally:
        os.close(handle)
    assert not dead.exists() and alive.exists() and other.exists()
