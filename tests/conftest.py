"""What every test can rely on."""

from __future__ import annotations

import signal

import pytest

pytest.register_assert_rewrite("tests.contract")  # what differs is told there, too

pytest_plugins = (
    "pytester",
    "tests.plugins.firewalls",
    "tests.plugins.own_firewall",
    "tests.plugins.privileges",
    "tests.plugins.requirements",
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # In the background of a script and in a process of several it is ignored, and programs that
    # tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
