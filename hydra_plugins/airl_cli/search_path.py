"""Whose options count where two have the same name."""

import re
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from airl_cli.config import conf_dir

_GROUPS = (("hydra", "launcher"), ("hydra", "sweeper"), ("hydra", "sweeper", "sampler"))


class OwnOptions(SearchPathPlugin):
    """Lets `conf/hydra/launcher/joblib.yaml` take the place of the option that a plugin stores.

    Hydra would check the one against the other. The programs of others are left alone.
    """

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Removes stored options from the process where this package's configs are in use."""
        folder = conf_dir()
        if not any(_leads_to(entry.path, folder) for entry in search_path.get_path()):
            return
        for group in _GROUPS:
            stored = ConfigStore.instance().repo
            for name in group:
                stored = stored.get(name, {})
            for config in folder.joinpath(*group).glob("*.yaml"):
                stored.pop(config.name, None)


def env_folder(option: str | None, env_id: str | None) -> str:
    """Where runs of an environment lie: its option's name, or of `gym` and `masked` its id.

    Args:
        option: Of the group `env`; None: a command uses the environment of the run it is given.
        env_id: As registered, perhaps with a module in front.
    """
    if option in (None, "None", "null"):
        return "retrain"
    if option not in ("gym", "masked") or not env_id:
        return option
    return re.sub(r"[^\w.-]+", "-", str(env_id).rpartition(":")[2]).strip("-.") or option


def without(excluded: str, choice: str, recipe: str) -> str:
    """The name of a recipe, or `none` with the one choice that recipes are not for."""
    return "none" if choice == excluded else recipe


OmegaConf.register_new_resolver("env_folder", env_folder, replace=True)
OmegaConf.register_new_resolver("without", without, replace=True)


def _leads_to(path: str, folder: Path) -> bool:
    return path.removeprefix("file://") == str(folder)
