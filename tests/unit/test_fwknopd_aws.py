"""How fwknopd.conf chooses a security group of AWS, and what it refuses there."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import configure, fatal, remarks
from watchword.errors import OperatorError
from watchword.model.firewalls import AwsSettings
from watchword.model.openings import Feature
from watchword.service.daemon.assembly import fitted, place_of, way_of

AWS = "FIREWALL_BACKEND aws\nAWS_SECURITY_GROUP sg-0123456789abcdef0\n"


def test_group_region_address_and_name_are_taken() -> None:
    more = "AWS_REGION eu-central-1\nAWS_ENDPOINT http://127.0.0.1:5000\nAWS_RULE_NAME door\n"
    firewall = configure(AWS + more).settings.firewall
    assert firewall.backend == "aws"
    assert firewall.aws == AwsSettings(
        "sg-0123456789abcdef0", "eu-central-1", "http://127.0.0.1:5000", "door"
    )
    assert way_of(firewall) == "the security group sg-0123456789abcdef0"
    other = configure(AWS.replace("abcdef0", "abcdef1")).settings.firewall
    assert place_of(firewall) != place_of(other)
    assert not [each for each in remarks(AWS + more) if "AWS_" in each]


@pytest.mark.parametrize(
    ("endpoint", "clear"),
    [
        ("https://ec2.eu-central-1.example", False),
        ("http://localhost:4566", False),
        ("http://[::1]:4566/ec2", False),
        ("http://127.0.0.1", False),
        ("http://ec2.eu-central-1.example", True),
        ("http://127.0.0.1.example:80", True),
        ("http://localhost.example", True),
    ],
)
def test_what_goes_over_a_network_in_the_clear_is_remarked_on(endpoint: str, clear: bool) -> None:
    said = remarks(f"{AWS}AWS_ENDPOINT {endpoint}\n")
    assert any("whoever is on the way" in each for each in said) is clear


def test_a_group_has_to_be_named() -> None:
    [said] = fatal("FIREWALL_BACKEND aws")
    assert "no AWS_SECURITY_GROUP is named" in said


@pytest.mark.parametrize(
    "line",
    [
        "AWS_SECURITY_GROUP hidden",
        "AWS_SECURITY_GROUP sg-0123456789ABCDEF0",
        "AWS_REGION Frankfurt",
        "AWS_ENDPOINT ftp://example.com",
        "AWS_ENDPOINT http://user:secret@example.com",
        "AWS_RULE_NAME the-door!",
    ],
)
def test_what_cannot_be_meant_is_refused(line: str) -> None:
    name = line.split(maxsplit=1)[0]
    [said] = fatal(AWS.replace("AWS_SECURITY_GROUP", "#") + line if "GROUP" in line else AWS + line)
    assert said.count(name)


def test_with_another_firewall_they_are_said_to_have_no_effect() -> None:
    [said] = [each for each in remarks("AWS_REGION eu-central-1") if "AWS_" in each]
    assert "it is for FIREWALL_BACKEND aws" in said


def test_what_a_group_cannot_do_is_refused_before_the_start() -> None:
    able = frozenset({Feature.IPV4, Feature.IPV6, Feature.SELF_EXPIRY})
    policy = configure(AWS + "ENABLE_DESTINATION_RULE Y\n").policy
    with pytest.raises(OperatorError, match="ENABLE_DESTINATION_RULE"):
        fitted(policy, "aws", able)
