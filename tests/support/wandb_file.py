"""What lies in a `.wandb` file: records of protocol buffers in LevelDB's log format."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BLOCK, _HEADER, _PREAMBLE = 32768, 7, 7
_FULL, _FIRST, _LAST = 1, 2, 4


def records(path: Path) -> Iterator[tuple[str, Any]]:
    """Kind and content of each record."""
    from wandb.proto import wandb_internal_pb2

    for content in _chunks(path.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(content)
        kind = record.WhichOneof("record_type")
        yield kind, getattr(record, kind)


def _chunks(raw: bytes) -> Iterator[bytes]:
    position, parts = _PREAMBLE, b""
    while position + _HEADER <= len(raw):
        if _BLOCK - position % _BLOCK < _HEADER:  # the rest of a block is padding
            position += _BLOCK - position % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", raw, position)
        position += _HEADER
        parts = (b"" if kind in (_FULL, _FIRST) else parts) + raw[position : position + length]
        position += length
        if kind in (_FULL, _LAST):
            yield parts
