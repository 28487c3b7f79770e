"""Reading what the kernel says of processor time, memory and datagrams."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import accounting
from bench.accounting import Datagrams, Stat, Tree

SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
Udp: 128301 5 40 128308 30 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors
UdpLite: 7 7 7 7 7 7 7
"""


def test_a_program_may_be_called_anything() -> None:
    line = "42 (a) b (c d) S 7 42 42 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 1 0 999 0 0"
    assert accounting.parse_stat(line) == Stat(pid=42, parent=7, ticks=110)


def test_our_own_stat_can_be_read() -> None:
    stat = accounting.parse_stat(Path("/proc/self/stat").read_text("utf-8", "replace"))
    assert (stat.pid, stat.parent) == (os.getpid(), os.getppid())


def test_a_cgroup_counts_in_microseconds() -> None:
    assert accounting.usage("usage_usec 1500000\nuser_usec 1\nsystem_usec 2\n") == 1.5
    with pytest.raises(KeyError):
        accounting.usage("user_usec 1\n")


def test_version_2_is_found_wherever_it_is_mounted() -> None:
    alone = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    both = (
        "30 23 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "31 30 0:28 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"
        "32 30 0:29 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n"
    )
    assert accounting.cgroup_mount(alone) == Path("/sys/fs/cgroup")
    assert accounting.cgroup_mount(both) == Path("/sys/fs/cgroup/unified")
    assert accounting.cgroup_mount(both.replace("cgroup2", "cgroup")) is None


def test_a_tree_is_everything_below_its_roots_that_is_alive() -> None:
    parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1}
    assert accounting.descendants([10], parents) == {10, 11, 12}
    assert accounting.descendants([99], parents) == frozenset()
    assert accounting.descendants([], parents) == frozenset()


def test_a_tree_finds_a_running_process() -> None:
    tree = Tree()
    tree.enter(os.getpid())
    assert os.getpid() in tree.pids()
    assert tree.processor_seconds() >= 0


def test_datagrams_are_counted_for_udp_and_not_for_udplite() -> None:
    assert accounting.parse_snmp(SNMP) == Datagrams(read=128301, errors=40, no_room=30)
    with pytest.raises(ValueError, match="no counters"):
        accounting.parse_snmp("Ip: A\nIp: 1\n")


def test_what_became_of_datagrams_is_told_since_a_moment() -> None:
    taken = Datagrams(110, 15, 7).since(Datagrams(100, 10, 5))
    assert taken == Datagrams(10, 5, 2)
    assert taken.gone == 15


def test_memory_is_the_proportional_set() -> None:
    assert accounting.parse_pss("Rss:  900 kB\nPss:  123 kB\nPss_Dirty: 5 kB\n") == 123 * 1024
    assert accounting.parse_pss("Rss:  900 kB\n") == 0
    assert accounting.memory([os.getpid()]) > 1024**2
