"""Runs watchword with a wrong wall clock: ``python wrong_clock.py SECONDS ARGUMENTS...``."""

from __future__ import annotations

import sys
import time

from watchword.programs.watchword import main

_true_time = time.time

if __name__ == "__main__":
    time.time = lambda: _true_time() + float(sys.argv[1])
    sys.exit(main(sys.argv[2:]))
