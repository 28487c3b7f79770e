"""What people at this machine can ask the daemon, and tell it, at its control socket.

In here: which question is answered by whom.
Not in here: the answers (answers, recent, status), the changes (changes,
block_changes), who may (control).
"""

from __future__ import annotations

from collections.abc import Callable

from watchword.model.settings import Settings
from watchword.ports import Clock
from watchword.service import asking
from watchword.service.daemon.answers import GrantAnswers
from watchword.service.daemon.block_changes import BlockChanges
from watchword.service.daemon.blocks import Blocks
from watchword.service.daemon.changes import GrantChanges
from watchword.service.daemon.control import Control, Question, Rights
from watchword.service.daemon.cycles import Cycles
from watchword.service.daemon.doors import Doors
from watchword.service.daemon.enforcer import Enforcer
from watchword.service.daemon.gates import Gates
from watchword.service.daemon.proofs import Proofs
from watchword.service.daemon.recent import Recent
from watchword.service.daemon.staying import Staying


def control_socket(
    settings: Settings,
    clock: Clock,
    *,
    enforcer: Enforcer,
    cycles: Cycles,
    blocks: Blocks,
    gates: Gates,
    staying: Staying,
    doors: Doors,
    recent: Recent,
    proofs: Proofs,
    told: Callable[[], dict[str, object]],
) -> Control:
    """The socket with everything behind it; it is not open yet. ``told``: of the daemon itself."""

    async def status(_: Question) -> dict[str, object]:
        return told()

    grants = GrantAnswers(
        enforcer,
        cycles,
        lambda: gates.policy,
        clock,
        staying.latest,
        others=lambda: doors.by_commands,
    )
    changes = GrantChanges(enforcer, cycles, lambda: gates.policy, clock, doors.end)
    keys = BlockChanges(
        blocks,
        changes,
        cycles,
        clock,
        policy=lambda: gates.policy,
        take_over=gates.heed_blocks,
    )
    answers = {
        "status": status,
        "grants": grants.grants,
        "keys": keys.keys,
        "log": recent.log,
        "refusals": recent.refusals,
        "prove": proofs.prove,
    }
    path = settings.run_dir / asking.NAME
    return Control(path, Rights.of(settings.control), answers, changes.handlers | keys.handlers)
