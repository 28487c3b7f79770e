"""What the packaged server makes of a packet that asks it to close: nothing, and it says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.daemon import PROGRAMS, base64, until
from tests.plugins.privileges import PACKAGED
from tests.values import KEY, MAC_KEY
from watchword.lab.hosts import Lab
from watchword.lab.trio import Trio, trio
from watchword.model.crypto import Secret

pytestmark = [pytest.mark.system, pytest.mark.peer("fwknopd")]
RUNS = Secret(b"whoever has this runs commands!!")


@pytest.fixture
def scene() -> Iterator[Trio]:
    with Lab() as lab:
        yield trio(lab)


def stanza(key: Secret, **more: str) -> str:
    keys = {"KEY_BASE64": base64(key), "HMAC_KEY_BASE64": base64(MAC_KEY)}
    return "".join(f"{n} {v}\n" for n, v in {"SOURCE": "ANY", **keys, **more}.items())


def private(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_it_refuses_the_message_or_finds_no_such_program_and_keeps_the_port_open(
    scene: Trio, tmp_path: Path
) -> None:
    host, four = scene.server.host, scene.server.four
    config = private(
        tmp_path / "fwknopd.conf",
        f"ENABLE_UDP_SERVER Y;\nFWKNOP_RUN_DIR {tmp_path};\nPCAP_INTF eth0;\n",
    )
    access = private(tmp_path / "access.conf", stanza(KEY) + stanza(RUNS, ENABLE_CMD_EXEC="Y"))
    rc = private(
        tmp_path / "rc",
        "".join(
            f"[{name}]\nSPA_SERVER {four}\nALLOW_IP source\nACCESS tcp/22\nFW_TIMEOUT 300\n"
            f"KEY_BASE64 {base64(key)}\nHMAC_KEY_BASE64 {base64(MAC_KEY)}\n"
            for name, key in (("opens", KEY), ("runs", RUNS))
        ),
    )
    program = shutil.which("fwknopd", path=PACKAGED)
    assert program
    log = tmp_path / "log"
    with closing(log.open("wb")) as out:
        host.start(program, "-f", "-c", str(config), "-a", str(access), stdout=out, stderr=out)
        until(lambda: ":62201 " in host.run("ss", "-Hlun").stdout)

        def send(tool: str, *words: str) -> None:
            given = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LOGNAME": "alice"}
            scene.caller.host.run(str(PROGRAMS / tool), *words, env=given)

        def rules() -> str:
            return host.run("iptables", "-S", "FWKNOP_INPUT", check=False).stdout

        send("fwknop", "--rc-file", str(rc), "-n", "opens")
        until(lambda: "--dport 22" in rules())
        send("watchword", "close", "opens", "--rc-file", str(rc))
        until(lambda: "SPA Command messages are not allowed" in log.read_text())
        send("watchword", "close", "runs", "tcp/22", "--rc-file", str(rc))
        until(lambda: "execvpe() failed" in log.read_text())
        assert "--dport 22" in rules()
