"""An emulated cloud: AWS by moto, and the filter in front of its instances that does what it says.

usage: python cloud_edge.py ADDRESS PORT NAME

Runs on the host through which every packet to the instances goes. What passes there to new
connections is what the inbound rules of the security group NAME allow, and nothing else.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import botocore.session
from moto.server import ThreadedMotoServer

FILTER = """
table inet group {{
    chain forward {{
        type filter hook forward priority 0; policy accept;
        oifname != "server" accept
        ct state established,related accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} accept
        {rules}
        drop
    }}
}}
"""
REGION = "eu-central-1"


def rules(group: dict[str, Any]) -> list[str]:
    found = []
    for each in group["IpPermissions"]:
        port = f"{each['IpProtocol']} dport {each['FromPort']} accept"
        found += [f"ip saddr {one['CidrIp']} {port}" for one in each.get("IpRanges", ())]
        found += [f"ip6 saddr {one['CidrIpv6']} {port}" for one in each.get("Ipv6Ranges", ())]
    return sorted(found)


def load(lines: list[str]) -> None:
    text = "table inet group\ndelete table inet group\n" + FILTER.format(rules="\n".join(lines))
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def main(address: str, port: str, name: str) -> None:
    server = ThreadedMotoServer(address, int(port), verbose=False)
    server.start()
    ec2 = botocore.session.get_session().create_client(
        "ec2", region_name=REGION, endpoint_url=f"http://{address}:{port}"
    )
    group = ec2.create_security_group(GroupName=name, Description="hidden")["GroupId"]
    everybody = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "udp", "FromPort": 62201, "ToPort": 62201, **everybody}],
    )
    last: list[str] = []
    load(last)
    print(group, flush=True)
    while True:
        [told] = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        if (now := rules(told)) != last:
            load(last := now)
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
