"""Sees to it that no test touches the firewall of the machine that it runs on.

In here: the tables of the host's own namespace, before and after every module of tests.
Not in here: namespaces for tests (watchword.lab).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest


def tables() -> str:
    """The tables of the host's own nftables; empty where they cannot be listed."""
    if os.geteuid() != 0 or (nft := shutil.which("nft", path="/usr/sbin:/sbin")) is None:
        return ""
    return subprocess.check_output([nft, "list", "tables"], text=True)


@pytest.fixture(autouse=True, scope="module")
def _the_firewall_of_this_host_is_left_alone() -> Iterator[None]:
    before = tables()
    yield
    assert tables() == before, "a test of this module changed the firewall of this very host"
