"""Files of demonstrations in the formats of several programs, read and written alike."""

from airl_cli.data.formats.base import Options, Recording
from airl_cli.data.formats.registry import FORMATS, check_target, read, recognise, write

__all__ = ["FORMATS", "Options", "Recording", "check_target", "read", "recognise", "write"]
