"""docs/cloud.md: its commands do what they say, and its policy allows what we ask for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.aws_scene import CREDENTIALS, REGION, aws, client
from watchword.edges.firewall.dated import aws_calls

PAGE = (Path(__file__).parents[2] / "docs" / "cloud.md").read_text("utf-8")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with aws() as where:
        yield where


def rules(endpoint: str) -> list[Any]:
    told = client(endpoint).describe_security_groups(GroupNames=["hidden"])
    permissions: list[Any] = told["SecurityGroups"][0]["IpPermissions"]
    return permissions


@pytest.mark.requirement("4.33", partial=True)
@pytest.mark.requirement("4.34")
def test_the_commands_lead_to_an_instance_behind_a_group_that_lets_knocks_in(endpoint: str) -> None:
    scripts = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    environment = {
        **os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": REGION,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    client(endpoint).create_key_pair(KeyName="mykey")
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", "\n".join(scripts)],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "running" in done.stdout
    found = {(each["IpProtocol"], each["FromPort"]): each for each in rules(endpoint)}
    assert found.keys() == {("udp", 62201), ("tcp", 22)}
    for each in found.values():
        assert [one["CidrIp"] for one in each["IpRanges"]] == ["0.0.0.0/0"]
        assert [one["CidrIpv6"] for one in each["Ipv6Ranges"]] == ["::/0"]


def test_the_policy_allows_the_calls_that_are_made_and_nothing_else() -> None:
    [text] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    allowed = set()
    for each in json.loads(text)["Statement"]:
        actions = each["Action"]
        allowed |= {actions} if isinstance(actions, str) else set(actions)
    source = Path(aws_calls.__file__).read_text("utf-8")
    calls = set(re.findall(r'"([a-z_]+_security_group[a-z_]*)"', source))
    assert allowed == {"ec2:" + each.title().replace("_", "") for each in calls}
    assert len(allowed) == 4


def test_the_old_commands_have_modern_ones_that_exist() -> None:
    model = aws_calls._session().get_service_model("ec2")
    rows = re.findall(r"\| `(ec2-[a-z-]+)[^`]*` \| `aws ec2 ([a-z-]+) ([^`]*)` \|", PAGE)
    assert [old for old, _, _ in rows] == [
        "ec2-run-instances", "ec2-describe-instances", "ec2-authorize", "ec2-authorize",
    ]  # fmt: skip
    for _, call, _ in rows:
        assert call.title().replace("-", "") in model.operation_names
