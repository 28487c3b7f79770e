"""The command watchword completion: a script with which a shell completes our commands.

In here: its options.
Not in here: the scripts (dialects.shells), what there is to complete (command_lines).
"""

from __future__ import annotations

import argparse

SHELLS = ("bash", "zsh", "fish")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser of ``watchword``."""
    parser = commands.add_parser(
        "completion",
        help="print a script that makes a shell complete our commands",
        description="Print a script that makes a shell complete fwknop, fwknopd and watchword, "
        "names of stanzas included. bash: source <(watchword completion bash)",
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")
    parser.set_defaults(answer=_completion)


def _completion(arguments: argparse.Namespace) -> int:
    from watchword.dialects.shells import bash, fish, zsh
    from watchword.service.tool import command_lines

    write = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}[arguments.shell]
    print(write(command_lines.all_programs()), end="")
    return 0
