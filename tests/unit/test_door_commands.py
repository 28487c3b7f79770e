"""Which commands of doors are given to a shell, and what is put into them."""

from __future__ import annotations

import pytest

from watchword.dialects.knockd.commands import command
from watchword.model.templates import Blank

WHO = {Blank.WHO: "192.0.2.7"}


@pytest.mark.requirement("3.19", partial=True)
def test_a_plain_command_is_run_without_a_shell() -> None:
    found = command("/sbin/iptables -I INPUT -s %IP%/32 -m comment --comment 'it is %IP%'")
    assert not found.through_shell
    assert found.template.argv(WHO) == (
        "/sbin/iptables", "-I", "INPUT", "-s", "192.0.2.7/32",
        "-m", "comment", "--comment", "it is 192.0.2.7",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "a && b", "a; b", "a > /tmp/x", "a | b", "a &", "echo $HOME", "a `b`", "(a)", "a *", "a ?",
        "a [b]", "~/a", "a {b,c}", "a # b", "a \\b", "A=1 b", "exit 7", "cd /tmp", "if a", "'a",
        "! a", ". /etc/x", "test -e x", "a\rb",
    ],
)  # fmt: skip
def test_what_means_something_to_a_shell_is_given_to_one_as_it_stands(text: str) -> None:
    found = command(f"{text} %IP%")
    assert found.through_shell
    assert found.template.told(WHO) == f"{text} 192.0.2.7"


def test_a_shell_can_be_asked_for() -> None:
    assert command("/bin/true", through_shell=True).through_shell


def test_only_the_address_is_put_in_and_only_for_its_exact_name() -> None:
    found = command("run %ip% %PORT% %IP%%IP% %IP")
    assert found.template.told(WHO) == "run %ip% %PORT% 192.0.2.7192.0.2.7 %IP"
