"""Files that take long begin first: whoever begins one last has everybody wait for him.

Several processes share the files (``--dist loadfile``); left alone they take them by the number
of their tests, and a file with one test of half a minute comes last. How long a file takes is
known from its last runs and need not be exact; what is not named takes less than about fifteen
seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LONGEST = (
    "interop/test_matrix.py",
    "interop/test_conformance.py",
    "system/test_conformance_servers.py",
    "interop/test_client_peer.py",
    "system/test_faults.py",
    "system/test_grants.py",
    "system/test_main_path.py",
    "system/test_iptables_daemon.py",
    "system/test_command_cycles.py",
    "system/test_fire.py",
    "interop/test_knockd_life.py",
    "interop/test_client_gpg.py",
    "interop/test_client_gpg_options.py",
    "system/test_service_files.py",
    "system/test_clock_steps.py",
    "system/test_keys_stay_inside.py",
    "system/test_ipset_daemon.py",
    "system/test_bad_input.py",
    "system/test_gate_and_hand.py",
    "system/test_sniffing.py",
    "system/test_doctor_server.py",
    "system/test_companions.py",
    "system/test_firewall_tool.py",
    "system/test_watching.py",
    "system/test_reload.py",
    "system/test_corrupted_gate.py",
    "interop/test_client_to_our_server.py",
    "interop/test_bans.py",
    "system/test_demo.py",
    "system/test_exchange.py",
    "system/test_nft_contract.py",
    "system/test_tables_contract.py",
    "interop/test_client_carriers.py",
    "interop/test_carriers_to_packaged_server.py",
    "unit/test_config_garbage.py",
    "unit/test_wire_libfko.py",
    "unit/test_aws.py",
    "unit/test_cloud_document.py",
)
"""The longest first."""
_RANKS = {TESTS / name: rank for rank, name in enumerate(LONGEST)}
_ROOMS = ("interop", "system")
"""Where tests mostly take longer than elsewhere."""


def rank(path: Path) -> int:
    """Where in the order a file stands; equal ones stay in theirs."""
    others = len(LONGEST) if path.parent.name in _ROOMS else len(LONGEST) + 1
    return _RANKS.get(path, others)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.path))
