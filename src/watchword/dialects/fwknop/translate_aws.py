"""Which security group of AWS grants are rules of: the variables AWS_*, which are Watchword's own.

In here: what they may say. Not in here: credentials, which are no affair of this file, rules
(edges.firewall.dated).
"""

from __future__ import annotations

import re
from typing import Final

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.model.firewalls import AwsSettings

_FORMS: Final = {
    "AWS_SECURITY_GROUP": (
        re.compile(r"sg-[0-9a-f]{8,40}"),
        "the id of a security group",
        "write one as sg-0123456789abcdef0 (aws ec2 describe-security-groups)",
    ),
    "AWS_REGION": (
        re.compile(r"[a-z0-9-]{1,40}"),
        "the name of a region",
        "write one as eu-central-1",
    ),
    "AWS_ENDPOINT": (
        re.compile(r"https?://[^\s/@]{1,250}(/\S{0,200})?"),
        "an address where AWS can be asked",
        "write one as https://ec2.eu-central-1.example",
    ),
    "AWS_RULE_NAME": (
        re.compile(r"[A-Za-z0-9._-]{1,63}"),
        "a name that rules can carry",
        "use up to 63 letters, digits, ., _ and -",
    ),
}

_THIS_HOST: Final = re.compile(r"http://(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?(/.*)?")


def aws(values: Values, backend: str, complaints: Complaints) -> AwsSettings:
    """What AWS_* says. With backend ``aws`` a group has to be named; with others nothing counts."""
    if backend != "aws":
        return AwsSettings()
    for name, (form, what, remedy) in _FORMS.items():
        text = values.text(name)
        if text and not form.fullmatch(text):
            complaints.refuse(f"{name} is '{shown(text)}', not {what}", values.place(name), remedy)
    if not values.text("AWS_SECURITY_GROUP"):
        complaints.refuse(
            "FIREWALL_BACKEND is aws, and no AWS_SECURITY_GROUP is named",
            values.place("FIREWALL_BACKEND"),
            "name the group that the hidden instances have: AWS_SECURITY_GROUP sg-...",
        )
    endpoint = values.text("AWS_ENDPOINT")
    if endpoint.startswith("http:") and not _THIS_HOST.fullmatch(endpoint):
        complaints.remark(
            "AWS_ENDPOINT begins with http: whoever is on the way can read the session's token, "
            "and make up what is open",
            values.place("AWS_ENDPOINT"),
            "write https, unless it is on this host",
        )
    return AwsSettings(
        group=values.text("AWS_SECURITY_GROUP"),
        region=values.text("AWS_REGION"),
        endpoint=endpoint,
        name=values.text("AWS_RULE_NAME"),
        look_every=float(values.number("AWS_LOOK_INTERVAL")),
    )
