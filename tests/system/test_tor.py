"""Our client speaks to the SOCKS port of a real Tor, which leads nowhere here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon import until
from watchword.lab.hosts import Host, Lab

pytestmark = [pytest.mark.system, pytest.mark.peer("tor")]

OURS = [sys.executable, "-m", "watchword.programs.fwknop"]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with Tor on port 9050 and no way out."""
    folder = tmp_path_factory.mktemp("tor")
    (folder / "torrc").touch()
    with Lab() as lab:
        host = lab.host("caller")
        host.start(
            "tor", "-f", str(folder / "torrc"), "--defaults-torrc", str(folder / "torrc"),
            "--SocksPort", "127.0.0.1:9050", "--DataDirectory", str(folder / "data"),
            "--SocksTimeout", "1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(lambda: ":9050 " in host.run("ss", "-Hltn").stdout)
        yield host


@pytest.mark.requirement("1.1", partial=True)
@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("socks5", "the SOCKS5 proxy 127.0.0.1:9050 declines: it gave up before it reached"),
        ("socks4a", "the SOCKS4 proxy 127.0.0.1:9050 declines: it refused, or could not reach"),
    ],
)
def test_tor_understands_us_and_that_it_cannot_is_told(
    host: Host, form: str, said: str, tmp_path: Path
) -> None:
    done = host.run(
        *OURS, "--no-rc-file", "--no-home-dir", "-E", str(tmp_path / "args"), "-A", "tcp/22",
        "-a", "1.1.1.1", "-D", "spa.example", "--socks", f"{form}://127.0.0.1:9050",
        "--key-rijndael", "k", "--key-hmac", "m", check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"send_spa_packet: {said}")
    assert (
        "\nsend_spa_packet: packet not sent.\nfwknop: hint: check the server's name" in done.stderr
    )
