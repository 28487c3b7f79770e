"""Speaks with AWS about the inbound rules of one security group, through botocore.

In here: the calls, their time limits, and what AWS answers where it refuses. Not in here: which
rules are ours and when they end (aws). The library is loaded for this backend only.

Credentials are found as every program of AWS finds them: environment, files, the role of the
instance. None is ever logged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from watchword.edges.firewall.dated.rule import SlowerError
from watchword.errors import HostError
from watchword.model.addresses import Address
from watchword.model.firewalls import AwsSettings
from watchword.model.services import Service

CONNECTING: Final = 3.0
ANSWERING: Final = 5.0
"""Seconds that one attempt may take."""
ATTEMPTS: Final = 4
"""So often a call is made while AWS says that it is asked too often, or does not answer."""
_REMEDIES: Final = {
    "AuthFailure": "see the credentials (aws sts get-caller-identity) and this host's clock",
    "RequestExpired": "set this host's clock",
    "UnauthorizedOperation": "allow the four actions that docs/cloud.md names on this group",
    "InvalidGroup.NotFound": "set AWS_SECURITY_GROUP to a group of this region",
    "InvalidGroupId.Malformed": "set AWS_SECURITY_GROUP to a group's id, as sg-0123456789abcdef0",
    "RulesPerSecurityGroupLimitExceeded": "end grants (watchword revoke), or have AWS raise the "
    "quota 'Inbound or outbound rules per security group'",
    "RequestLimitExceeded": "other programs of this account ask too much; grants that failed are "
    "not open",
}
GONE: Final = "InvalidPermission.NotFound"
THERE: Final = "InvalidPermission.Duplicate"
_TOO_OFTEN: Final = frozenset({
    "RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException",
    "RequestThrottled", "RequestThrottledException", "EC2ThrottledException", "SlowDown",
})  # fmt: skip


class AwsError(HostError):
    """AWS says no: nothing was done. ``code`` is its own word for why."""

    def __init__(self, reason: str, *, code: str, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.code = code


class ThrottledError(AwsError, SlowerError):
    """AWS says that it is asked too often."""


class Inbound(NamedTuple):
    """What tells inbound rules of a group apart: AWS takes no second one."""

    who: Address
    service: Service


class Group:
    """One security group. Every method raises HostError; AwsError where AWS refused."""

    def __init__(self, settings: AwsSettings) -> None:
        self._settings = settings

    def listed(self) -> dict[Inbound, str]:
        """The description of each inbound rule for one address and port; no others."""
        return self._listed(ATTEMPTS)

    def glimpsed(self) -> dict[Inbound, str]:
        """The same, asked once: ThrottledError if AWS has no time for it."""
        return self._listed(1)

    def _listed(self, attempts: int) -> dict[Inbound, str]:
        call, group = "describe_security_groups", self._settings.group
        answer = self._call(call, attempts, GroupIds=[group])
        return {
            rule: text
            for permission in answer["SecurityGroups"][0]["IpPermissions"]
            for rule, text in _single(permission)
        }

    def printed(self) -> Iterator[str]:
        """Every inbound rule, a line each, for a person."""
        answer = self._call("describe_security_groups", GroupIds=[self._settings.group])
        for permission in answer["SecurityGroups"][0]["IpPermissions"]:
            ports = "-".join(str(permission[n]) for n in ("FromPort", "ToPort") if n in permission)
            for source, text in _sources(permission):
                yield f"{permission['IpProtocol']} {ports} from {source} {text}".rstrip()

    def authorize(self, rules: Collection[tuple[Inbound, str]]) -> None:
        """Add rules with their descriptions: all of them, or none."""
        self._change("authorize_security_group_ingress", rules)

    def describe(self, rules: Collection[tuple[Inbound, str]]) -> None:
        """Give rules that are there other descriptions: all of them, or none."""
        self._change("update_security_group_rule_descriptions_ingress", rules)

    def revoke(self, rules: Collection[Inbound]) -> None:
        """Take rules out: all of them, or none."""
        self._change("revoke_security_group_ingress", [(each, "") for each in rules])

    def _change(self, call: str, rules: Collection[tuple[Inbound, str]]) -> None:
        if rules:
            self._call(call, GroupId=self._settings.group, IpPermissions=_permissions(rules))

    def _call(self, name: str, attempts: int = ATTEMPTS, **arguments: Any) -> Any:
        with _translated(name):
            call: Callable[..., Any] = getattr(_client(self._settings, attempts), name)
            return call(**arguments)


@cache
def _session() -> Any:
    import botocore.session  # noqa: PLC0415

    return botocore.session.get_session()


@cache
def _client(settings: AwsSettings, attempts: int) -> Any:
    """One for all threads, and for the backend that a reload makes: the first takes a second."""
    import botocore.config  # noqa: PLC0415 - this backend only needs it

    config = botocore.config.Config(
        connect_timeout=CONNECTING,
        read_timeout=ANSWERING,
        retries={"total_max_attempts": attempts, "mode": "standard"},
    )
    return _session().create_client(
        "ec2",
        region_name=settings.region or None,
        endpoint_url=settings.endpoint or None,
        config=config,
    )


@contextmanager
def _translated(call: str) -> Iterator[None]:
    try:
        from botocore.exceptions import (  # noqa: PLC0415
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            NoRegionError,
        )
    except ImportError:
        raise HostError(
            "FIREWALL_BACKEND aws needs the library botocore, which is not installed",
            hint="pip install 'watchword[aws]', or apt-get install python3-botocore",
        ) from None
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        code = str(told.get("Code", "unknown"))
        reason = f"AWS refuses {call}: {code}: {told.get('Message', '')}"
        kind = ThrottledError if code in _TOO_OFTEN else AwsError
        raise kind(reason, code=code, hint=_REMEDIES.get(code, "")) from None
    except NoCredentialsError:
        raise HostError(
            "there are no credentials for AWS",
            hint="give this instance a role, or root a file ~/.aws/credentials (docs/cloud.md)",
        ) from None
    except NoRegionError:
        raise HostError("no region of AWS is named", hint="set AWS_REGION") from None
    except (BotoCoreError, ValueError) as error:
        raise HostError(
            f"AWS cannot be asked ({call}): {error}", hint="see the network, and AWS_ENDPOINT"
        ) from None


def _permissions(rules: Iterable[tuple[Inbound, str]]) -> list[dict[str, Any]]:
    """As AWS takes them: one entry for each service, with the addresses that may reach it."""
    found: dict[Service, dict[str, Any]] = {}
    for (who, service), text in sorted(rules, key=str):
        entry = found.setdefault(
            service,
            {
                "IpProtocol": str(service.proto),
                "FromPort": service.port,
                "ToPort": service.port,
            },
        )
        said = {"Description": text} if text else {}
        if who.version == 4:
            entry.setdefault("IpRanges", []).append({"CidrIp": f"{who}/32", **said})
        else:
            entry.setdefault("Ipv6Ranges", []).append({"CidrIpv6": f"{who}/128", **said})
    return list(found.values())


def _single(permission: dict[str, Any]) -> Iterator[tuple[Inbound, str]]:
    """The rules of an entry that are for one address each, if it is for one port."""
    if permission.get("FromPort") is None or permission["FromPort"] != permission.get("ToPort"):
        return
    try:
        service = Service.parse(f"{permission['IpProtocol']}/{permission['FromPort']}")
    except ValueError:
        return
    for source, text in _sources(permission):
        host, _, length = source.partition("/")
        if length in ("32", "128") and (length == "128") == (":" in host):
            yield Inbound(ip_address(host), service), text


def _sources(permission: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, name in (
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId"),
        ("UserIdGroupPairs", "GroupId"),
    ):
        for each in permission.get(kind, ()):
            yield str(each.get(name, "")), str(each.get("Description", ""))
