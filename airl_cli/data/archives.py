"""Archives that say how large they become before they are unpacked."""

from __future__ import annotations

import zipfile

from airl_cli.errors import InvalidValueError

MAX_RATIO = 100
"""Of unpacked to packed size, for members beyond `MAX_BYTES`."""

MAX_BYTES = 2**28


def check_inflation(info: zipfile.ZipInfo, source: object) -> None:
    """Refuses a member that a small file would fill the memory with.

    Recorded numbers do not shrink a hundredfold; only what was made for it does. zipfile stops
    reading where a member becomes larger than it said.

    Args:
        info: Of the member.
        source: The archive, for the message.

    Raises:
        InvalidValueError: If it grows too much.
    """
    if info.file_size > MAX_BYTES and info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise InvalidValueError(
            f"{source}: {info.filename} would grow from {info.compress_size:,} to "
            f"{info.file_size:,} bytes: not unpacked.",
            "Store it without compression if it is what it should be.",
        )
