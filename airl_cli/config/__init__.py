"""Where the config groups lie, and what is checked about a config before anything is built."""

from pathlib import Path

from airl_cli.errors import NotFoundError


def conf_dir() -> Path:
    """The folder of the primary configs: inside an installed package, or beside its sources.

    Raises:
        NotFoundError: If neither exists, which only a broken installation can bring about.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise NotFoundError(
        f"the config groups are missing: there is no train.yaml in {package / 'conf'}.",
        "Install airl-cli again.",
    )
