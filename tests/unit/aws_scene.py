"""A local AWS: the emulator moto as a server, with a security group in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from moto.server import ThreadedMotoServer

from watchword.edges.firewall.dated.aws import SecurityGroup
from watchword.edges.firewall.dated.aws_calls import Group
from watchword.model.firewalls import AwsSettings, FirewallSettings
from watchword.ports import ProgramRunner

REGION = "eu-central-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextlib.contextmanager
def aws() -> Iterator[str]:
    """Where it is asked."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, text in CREDENTIALS.items():
            patch.setenv(name, text)
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    server.stop()


@cache
def client(endpoint: str) -> Any:
    """Hands that are not ours."""
    return botocore.session.get_session().create_client(
        "ec2", region_name=REGION, endpoint_url=endpoint
    )


def new_group(endpoint: str, name: str) -> FirewallSettings:
    made = client(endpoint).create_security_group(GroupName=name, Description="hidden instances")
    return FirewallSettings(
        backend="aws", aws=AwsSettings(made["GroupId"], REGION, endpoint, "door")
    )


def wiped(endpoint: str, group: str) -> None:
    """Every inbound rule is gone."""
    ec2 = client(endpoint)
    [told] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    if told["IpPermissions"]:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=told["IpPermissions"])


def impatient(settings: FirewallSettings, programs: ProgramRunner, folder: Path) -> SecurityGroup:
    """Believes every listing: this AWS lists what is true."""
    return SecurityGroup(Group(settings.aws), settings.aws.name, settling=0.0, look_every=0.3)
