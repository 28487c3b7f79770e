"""Runs fwknopd with less than a second for each call of nft, for tests of one that hangs.

``python tests/system/impatient.py ARGUMENTS...``
"""

from __future__ import annotations

import sys

from watchword.edges.firewall.nft import script
from watchword.programs.fwknopd import main

LIMIT = 0.8

if __name__ == "__main__":
    script._SECONDS = LIMIT
    sys.exit(main(sys.argv[1:]))
