"""The fuzzer's seeds are valid, and what is broken counts as refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults import fuzz


@pytest.mark.parametrize("reader", list(fuzz.READERS))
def test_seeds_are_read_and_their_halves_are_refused(reader: str, tmp_path: Path) -> None:
    name, write, _ = fuzz.READERS[reader]
    seed = tmp_path / "seed" / name
    seed.parent.mkdir()
    write(seed)
    content = seed.read_bytes()
    place = fuzz.prepared(reader, tmp_path / "place")
    assert not fuzz.refused(reader, content, place)
    assert fuzz.refused(reader, content[: len(content) // 2], place)


def test_other_errors_are_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> None:
        raise KeyError(path.name)

    monkeypatch.setitem(fuzz.READERS, "npz", ("demos.npz", fuzz.READERS["npz"][1], read))
    with pytest.raises(KeyError):
        fuzz.refused("npz", b"", tmp_path)
