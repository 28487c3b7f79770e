"""Reads knockd.conf as a whole.

In here: the section [options], the order of doors, everything that is wrong at once.
Not in here: lines (lines), one door (door_section), reading the file (edges.files),
one-time sequences, which are in files of their own (one_time).

Source: knockd, section 3. Differences: all complaints are told, not only the
first; several interfaces may be named, with commas. Of our own below [options]:
``SyslogFacility``, ``StateDir``, ``RunDir``, ``FirewallBackend``, ``NftTable``,
``JumpFrom``, ``CloseAtExit``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from watchword.dialects.knockd.door_draft import yes_or_no
from watchword.dialects.knockd.door_section import door
from watchword.dialects.knockd.lines import Directive, Section, complaint, sections
from watchword.errors import Complaint, OperatorError
from watchword.model.doors import CloseServices, Door, OpenServices
from watchword.model.firewalls import Attach, JumpFrom
from watchword.model.knocking import Knocking, KnockSettings

FACILITIES: Final = ("daemon", "user", *(f"local{number}" for number in range(8)))
BACKENDS: Final = ("nftables", "iptables")
LONGEST_INTERFACE: Final = 15
"""Bytes, as in the kernel."""


def read(text: str, file: str) -> Knocking:
    """The settings and doors of a file. Raises OperatorError with everything that is wrong."""
    complaints: list[Complaint] = []
    settings = KnockSettings()
    doors: list[Door] = []
    for section in sections(text, file, complaints):
        if section.is_door:
            found, syslog = door(section, len(doors) + 1, complaints)
            doors.append(found)
            settings = replace(settings, syslog=settings.syslog or syslog)
        else:
            settings = _options(section, settings, complaints)
    settings = _guarding(settings, doors)
    complaints += _idle_closers(settings, doors)
    if any(each.fatal for each in complaints):
        raise OperatorError.of([each for each in complaints if each.fatal])
    return Knocking(settings, tuple(doors), tuple(complaints))


def _guarding(settings: KnockSettings, doors: Sequence[Door]) -> KnockSettings:
    """What the doors open is hidden until they do."""
    actions = [each.action for each in doors]
    services = {
        service
        for action in actions
        if isinstance(action, OpenServices)
        for service in action.services
    }
    firewall = replace(
        settings.firewall,
        guarded=tuple(sorted(services)),
        needed=bool(services),
        doors=tuple(each for each in doors if each.kernel),
    )
    return replace(settings, firewall=firewall)


def _idle_closers(settings: KnockSettings, doors: Sequence[Door]) -> list[Complaint]:
    """Doors that close what no door opens."""
    hint = "give another door a line Open ="
    return [
        complaint(each.place, f"no door opens what {each.name} closes", hint, fatal=False)
        for each in doors
        if isinstance(each.action, CloseServices)
        and not set(each.action.services) & set(settings.firewall.guarded)
    ]


def _options(
    section: Section, settings: KnockSettings, complaints: list[Complaint]
) -> KnockSettings:
    for directive in section.directives:
        take = _KEYS.get(directive.key)
        if take is not None and directive.value is not None:
            try:
                settings = take(settings, directive, directive.value, complaints)
            except ValueError as error:
                complaints.append(complaint(directive.place, "syntax error", str(error)))
        elif directive.key == "usesyslog" and directive.value is None:
            settings = replace(settings, syslog=True)
        else:
            hint = "see knockd.conf(5) for the keys of [options]"
            if directive.key == "usesyslog":
                hint = "write UseSyslog alone on its line"
            complaints.append(complaint(directive.place, "syntax error", hint))
    return settings


_Take = Callable[[KnockSettings, Directive, str, list[Complaint]], KnockSettings]


def interfaces(text: str) -> tuple[str, ...]:
    """Names of interfaces, with commas. Raises ValueError with what would be right."""
    names = tuple(dict.fromkeys(each.strip() for each in text.split(",")))
    for name in names:
        octets = name.encode("utf-8", "surrogateescape")
        if not name or len(octets) > LONGEST_INTERFACE or "/" in name or "\0" in name:
            raise ValueError("name an interface, such as eth0, or any for all of them")
    return names


def _interface(
    settings: KnockSettings, _: Directive, value: str, complaints: list[Complaint]
) -> KnockSettings:
    return replace(settings, interfaces=interfaces(value))


def _path(name: str) -> _Take:
    """Takes the name of a file or folder into the field of that name."""

    def take(
        settings: KnockSettings, _: Directive, value: str, complaints: list[Complaint]
    ) -> KnockSettings:
        if not value or "\0" in value:
            raise ValueError("name a file or folder")
        changes: dict[str, Any] = {name: value}
        return replace(settings, **changes)

    return take


def _facility(
    settings: KnockSettings, _: Directive, value: str, complaints: list[Complaint]
) -> KnockSettings:
    if value.lower() not in FACILITIES:
        raise ValueError(f"write one of {', '.join(FACILITIES)}")
    return replace(settings, facility=f"LOG_{value.upper()}")


def _table(
    settings: KnockSettings, _: Directive, value: str, complaints: list[Complaint]
) -> KnockSettings:
    if not (value.replace("_", "a").isalnum() and value.isascii() and value[0].isalpha()):
        raise ValueError("write letters, digits and underscores")
    return replace(settings, firewall=replace(settings.firewall, table=value))


def _backend(
    settings: KnockSettings, _: Directive, value: str, complaints: list[Complaint]
) -> KnockSettings:
    if value.lower() not in BACKENDS:
        raise ValueError(f"write one of {', '.join(BACKENDS)}")
    return replace(settings, firewall=replace(settings.firewall, backend=value.lower()))


def _jump(
    settings: KnockSettings, _: Directive, value: str, complaints: list[Complaint]
) -> KnockSettings:
    chains = []
    for each in value.split(","):
        words = each.split()
        if len(words) != 3 or words[0] not in ("inet", "ip", "ip6"):
            raise ValueError("write family, table and chain, such as inet filter input")
        chains.append(JumpFrom(*words))
    firewall = replace(settings.firewall, attach=Attach.JUMP, jump_from=tuple(chains))
    return replace(settings, firewall=firewall)


def _close_at_exit(
    settings: KnockSettings, directive: Directive, value: str, complaints: list[Complaint]
) -> KnockSettings:
    return replace(settings, close_at_exit=yes_or_no(directive, value, complaints))


_KEYS: Final[dict[str, _Take]] = {
    "logfile": _path("log_file"),
    "pidfile": _path("pid_file"),
    "interface": _interface,
    "syslogfacility": _facility,
    "statedir": _path("state_dir"),
    "rundir": _path("run_dir"),
    "firewallbackend": _backend,
    "nfttable": _table,
    "jumpfrom": _jump,
    "closeatexit": _close_at_exit,
}
KEYS: Final[Sequence[str]] = ("usesyslog", *_KEYS)
"""Of [options], in lower case."""
