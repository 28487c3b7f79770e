"""Doors that fwknopd looks after beside its packets: KNOCKD_CONF.

In here: reading that file as part of fwknopd's own, what of it holds here, what has to be hidden
because of it.
Not in here: the words of the file (dialects.knockd), following knocks (recognise.doors).

The variable is Watchword's own. The file is one of knockd's: its doors are taken as they are, and
of its section [options] Interface and CloseAtExit. Everything else is fwknopd's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from watchword.dialects.fwknop.fwknopd_conf import Values
from watchword.dialects.fwknop.lines import shown_file
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.dialects.fwknop.translate_sources import doors as own_ports
from watchword.errors import OperatorError, Place
from watchword.model.addresses import Network
from watchword.model.doors import Door, OpenServices
from watchword.model.firewalls import Attach, FirewallSettings
from watchword.model.knocking import EVERY_INTERFACE, Knocking, KnockSettings
from watchword.model.policy import Policy
from watchword.model.services import Service

VARIABLE = "KNOCKD_CONF"
_IDLE = {
    "log_file": "LogFile", "pid_file": "PidFile", "syslog": "UseSyslog",
    "facility": "SyslogFacility", "state_dir": "StateDir", "run_dir": "RunDir",
}  # fmt: skip
_OF_FIREWALL = {
    "backend": "FirewallBackend", "table": "NftTable", "jump_from": "JumpFrom",
}  # fmt: skip


def knocking(values: Values, read: Callable[[str], str], complaints: Complaints) -> Knocking | None:
    """The doors; None: there are none. To be used only if no complaint was fatal."""
    path = values.text(VARIABLE)
    if not path or path.upper() == "NONE":
        return None
    from watchword.dialects.knockd import conf  # noqa: PLC0415  (few have doors)

    complaints.opened(path)
    try:
        found = conf.read(read(path), path)
    except OperatorError as error:
        for each in error.complaints:
            named = replace(each, message=shown_file(each.message), place=values.place(VARIABLE))
            complaints.add(each if each.place else named)
        return None
    for each in found.complaints:
        complaints.add(each)
    if names := list(_idle(found.settings)):
        complaints.remark(
            f"{', '.join(names)} below [options] of {shown_file(path)}: fwknopd does not look at "
            "that",
            values.place(VARIABLE),
            "say it in fwknopd.conf",
        )
    return replace(found, doors=tuple(_supplied(each, read, complaints) for each in found.doors))


def _idle(settings: KnockSettings) -> Iterator[str]:
    """What is said below [options] and has no effect here."""
    default = KnockSettings()
    for field, key in _IDLE.items():
        if getattr(settings, field) != getattr(default, field):
            yield key
    for field, key in _OF_FIREWALL.items():
        if getattr(settings.firewall, field) != getattr(default.firewall, field):
            yield key


def _supplied(door: Door, read: Callable[[str], str], complaints: Complaints) -> Door:
    """With the first sequence of its own file, if it has one."""
    if door.one_time is None:
        return door
    from watchword.dialects.knockd import one_time  # noqa: PLC0415  (as above)

    try:
        content = read(door.one_time).encode("utf-8", "surrogateescape")
    except OperatorError as error:
        for each in error.complaints:
            complaints.refuse(f"[{door.name}]: {shown_file(each.message)}", door.place, each.hint)
        return door
    found = one_time.next_sequence(content)
    for number, puzzle in found.puzzles:
        complaints.remark(puzzle, Place(door.one_time, number), "the line is passed over")
    return replace(door, sequence=found.sequence)


def opened(doors: Sequence[Door]) -> frozenset[Service]:
    """Every service that some door opens in the firewall."""
    return frozenset(
        service
        for door in doors
        if isinstance(door.action, OpenServices)
        for service in door.action.services
    )


def hiding(
    firewall: FirewallSettings,
    found: Knocking,
    values: Values,
    complaints: Complaints,
    blacklist: tuple[Network, ...],
) -> FirewallSettings:
    """The same, hiding what doors open as well, and following those that the kernel can."""
    from watchword.dialects.knockd import door_kernel  # noqa: PLC0415  (as above)

    services = opened(found.doors)
    for each in door_kernel.unfit(found.doors, firewall):
        complaints.add(each)
    kernel = tuple(each for each in found.doors if each.kernel)
    if kernel and values.flag("ENABLE_DESTINATION_RULE"):
        complaints.refuse(
            f"[{kernel[0].name}] cannot be followed by the kernel: ENABLE_DESTINATION_RULE is Y, "
            "and it opens every address of this host",
            kernel[0].place,
            "leave Kernel = yes out",
        )
    for door in found.doors:
        for service in sorted(opened([door]) & own_ports(values)):
            complaints.refuse(
                f"[{door.name}] would hide {service}, the port that packets come to",
                door.place,
                f"take {service} out of its Open",
            )
    if not services:
        return firewall
    firewall = replace(firewall, needed=True, doors=kernel)
    if kernel:
        named = found.settings.interfaces
        listens = () if EVERY_INTERFACE in named else named
        firewall = replace(firewall, door_interfaces=listens, door_barred=blacklist)
    if firewall.attach is not Attach.GUARD or firewall.guard_all or firewall.in_iptables:
        return firewall
    return replace(firewall, guarded=tuple(sorted(services.union(firewall.guarded))))


def with_doors(policy: Policy, found: Knocking | None) -> Policy:
    return policy if found is None else replace(policy, doors=found.doors)
