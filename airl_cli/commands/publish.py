"""`airl publish run=<directory> repo=owner/name`: a run as a folder for the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from airl_cli.commands.job import log
from airl_cli.config.validation import PUBLISH_KEYS, validated
from airl_cli.report.find import chosen_run
from airl_cli.runs import load_run
from airl_cli.runs.publish import check_repo, export, upload, upload_command


def publish(cfg: DictConfig) -> float:
    """Writes a model card and what others need of a run into a folder; uploads it if asked to.

    Args:
        cfg: The composed config of `conf/publish.yaml`.

    Returns:
        0: what cannot be published raises.

    Raises:
        AirlError: If there is no such finished run, or it cannot be written or uploaded.
    """
    config = validated(cfg, PUBLISH_KEYS)
    repo = check_repo(config["repo"])
    run = load_run(chosen_run(config["run"]), trusted=config["trust"])
    folder = Path(config["output"] or f"outputs/publish/{repo.replace('/', '--')}").expanduser()
    files = export(run, folder, repo)
    log.info("%s: %d files, README.md is the model card", folder, len(files))
    if config["upload"]:
        log.info("published: %s", upload(folder, repo, private=config["private"]))
    else:
        log.info("to upload it: %s", upload_command(folder, repo, private=config["private"]))
    return 0.0
