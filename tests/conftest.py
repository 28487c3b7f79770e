"""What every test can rely on."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.contract")  # what differs is told there, too

pytest_plugins = (
    "pytester",
    "tests.plugins.firewalls",
    "tests.plugins.longest_first",
    "tests.plugins.own_firewall",
    "tests.plugins.privileges",
    "tests.plugins.requirements",
    "tests.plugins.second_look",
)

# How long an example takes depends on who else is at work here, and is no claim of a property.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a script and in a process of several it is ignored, and programs that
    # tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The tests start our programs a thousand times. Where Python is told to keep no bytecode, each of
# them would compile seven hundred modules first, which is most of what it costs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
