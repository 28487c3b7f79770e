"""Files that take long begin first: whoever begins one last has everybody wait for him.

Several processes share the files (``--dist loadfile``); left alone they take them by the number
of their tests, and a file with one test of half a minute comes last. How long a file takes is
known from its last runs and need not be exact; what is not named takes less than about five
seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LONGEST = (
    "system/test_iptables_daemon.py",
    "system/test_fire.py",
    "system/test_faults.py",
    "system/test_main_path.py",
    "system/test_nft_contract.py",
    "interop/test_conformance.py",
    "system/test_gate_and_hand.py",
    "system/test_clock_steps.py",
    "system/test_slipped.py",
    "system/test_firewalld_daemon.py",
    "interop/test_matrix.py",
    "system/test_grants.py",
    "system/test_cloud.py",
    "system/test_ipfw_daemon.py",
    "system/test_doctor_server.py",
    "system/test_corrupted_gate.py",
    "system/test_sniffing.py",
    "system/test_command_cycles.py",
    "system/test_ghost.py",
    "system/test_firewall_tool.py",
    "interop/test_iptables_as_fwknopd.py",
    "unit/test_aws.py",
    "system/test_diff.py",
    "system/test_nft_heal.py",
    "system/test_companions.py",
    "system/test_ipset_daemon.py",
    "system/test_demo.py",
    "property/test_gate_input.py",
    "system/test_living_with_others.py",
    "interop/test_client_peer.py",
    "system/test_nft_guard.py",
    "property/test_wire_spa.py",
    "system/test_watching.py",
    "system/test_shared_address.py",
    "system/test_keys_stay_inside.py",
    "system/test_nft_leads.py",
    "system/test_conformance_servers.py",
    "interop/test_client_to_packaged_server.py",
    "unit/test_config_garbage.py",
    "system/test_exchange.py",
    "system/test_nft_netlink.py",
    "system/test_reload.py",
    "system/test_simulation.py",
    "system/test_connect.py",
    "system/test_iptables_faults.py",
    "interop/test_knockd_life.py",
    "unit/test_zipapp.py",
    "system/test_doors_in_fwknopd.py",
    "system/test_connect_ssh.py",
    "system/test_hidden.py",
    "system/test_doctor.py",
    "system/test_tables_contract.py",
    "system/test_gpg_document.py",
    "system/test_service_files.py",
    "system/test_managed_doors.py",
    "system/test_bad_files.py",
    "system/test_capture_files.py",
    "system/test_one_address.py",
    "system/test_front.py",
    "interop/test_client_gpg.py",
    "system/test_bad_input.py",
    "system/test_answers_let_out.py",
    "system/test_gpg_daemon.py",
    "unit/test_own_process.py",
    "system/test_cut.py",
    "system/test_command_messages.py",
    "unit/test_gate_openpgp.py",
    "system/test_store_processes.py",
    "system/test_packaged_files.py",
    "unit/test_access_syntax.py",
    "system/test_firewalld_contract.py",
    "unit/test_cloud_document.py",
    "system/test_conformance_openpgp.py",
    "interop/test_nat_differential.py",
    "system/test_kernel_doors.py",
    "system/test_shared_parts.py",
    "unit/test_embedding.py",
    "unit/test_dated_heir.py",
    "unit/test_fwknop1.py",
    "unit/test_second_look.py",
    "system/test_carriers_to_our_server.py",
    "system/test_counted.py",
    "property/test_client_words.py",
    "property/test_server_config.py",
    "system/test_nft_containers.py",
    "property/test_wire_messages.py",
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
