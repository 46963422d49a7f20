"""Where the config groups lie, and what is checked about a config before anything is built."""

from airl_cli.config.paths import conf_dir

__all__ = ["conf_dir"]
