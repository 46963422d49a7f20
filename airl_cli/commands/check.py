"""`airl check env=...`: a user's environment, examined before anything is trained."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig
from rich.table import Table
from rich.text import Text

from airl_cli.commands.job import job_context, prepare_process, show
from airl_cli.config.instantiation import instantiate
from airl_cli.config.validation import PROCESS_KEYS, validated
from airl_cli.envs.examine import Finding, examine
from airl_cli.errors import InvalidValueError

CHECK_KEYS: Mapping[str, Mapping[str, Any]] = {"": {**PROCESS_KEYS, "total_timesteps": int}}


def check(cfg: DictConfig) -> int:
    """Examines an environment and prints a table with advice.

    Args:
        cfg: The composed config of `conf/check.yaml`.

    Returns:
        How many findings come with advice.

    Raises:
        AirlError: If `airl train` would refuse the environment.
    """
    if cfg.get("env") is None:
        raise InvalidValueError(
            "no environment is chosen.", "Add env=..., for example env=gym env.id=CartPole-v1."
        )
    config = validated(cfg, CHECK_KEYS)
    prepare_process(config)
    env = instantiate(config["env"])
    findings = list(examine(env, config["total_timesteps"]))
    show(findings_table(env.id, findings))
    advised = [finding for finding in findings if finding.advice]
    for finding in advised:
        job_context().log.info("%s: %s", finding.what, finding.advice)
    return len(advised)


def findings_table(env_id: str, findings: Sequence[Finding]) -> Table:
    """A row for each finding; those with advice are marked."""
    table = Table(title=Text(env_id), title_justify="left")
    for heading in ("", "what", "found"):
        table.add_column(heading)
    for finding in findings:
        mark = "!" if finding.advice else ""
        table.add_row(mark, finding.what, Text(finding.value))
    return table
