"""Shell completion for a program with commands, on top of Hydra's, which knows none."""

import os
from collections.abc import Callable

from airl_cli.commands import COMMANDS, VERBS


def complete(argv: list[str], run: Callable[[str, list[str]], None]) -> None:
    """Answers `airl -sc install=<shell>`, `uninstall=<shell>` and `query=<shell>`.

    Args:
        argv: The arguments, from `-sc` on.
        run: Runs a command with arguments; Hydra answers everything behind the command's name.
    """
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    if not any(argument.startswith("query=") for argument in argv):
        run("train", argv)
    elif len(words) > 1 and words[1] in COMMANDS and line.split(words[1], 1)[1]:
        program, command = words[:2]
        verbs = VERBS.get(command, {})
        rest = words[2] if len(words) > 2 else ""
        if verbs and (rest not in verbs or line.endswith(rest)):
            print(" ".join(verb for verb in verbs if verb.startswith(rest)))
            return
        if verbs:
            line = line.replace(f" {rest}", "", 1)
        # Hydra strips the program's name and takes the rest as overrides.
        os.environ["COMP_LINE"] = line.replace(f"{program} {command}", program, 1)
        run(command, argv)
    else:
        start = words[1] if len(words) > 1 else ""
        print(" ".join(name for name in COMMANDS if name.startswith(start)))
