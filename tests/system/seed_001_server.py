"""A server whose files are those of the how-to (seed 001), with generated keys filled in."""

from __future__ import annotations

from tests.daemon import Server, base64
from tests.fwknopd_files import SEED_001
from tests.values import KEY, MAC_KEY

ACCESS_CONF = """\
#### fwknopd access.conf stanzas ###

SOURCE                     ANY
OPEN_PORTS                 tcp/1234
REQUIRE_SOURCE_ADDRESS     Y
REQUIRE_USERNAME           root
FW_ACCESS_TIMEOUT          30
KEY_BASE64                 {key}
HMAC_KEY_BASE64            {mac_key}
"""


class SeedServer(Server):
    """Its files are the seed's; only the directories are the test's own."""

    remedy = ""

    def write(self) -> None:
        here = f"STATE_DIR {self.folder}/state;\nFWKNOP_RUN_DIR {self.folder}/run;\n"
        keys = {"key": base64(KEY), "mac_key": base64(MAC_KEY)}
        for name, text in (
            ("fwknopd.conf", SEED_001 + self.remedy + here),
            ("access.conf", ACCESS_CONF.format(**keys)),
        ):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text, "utf-8")
