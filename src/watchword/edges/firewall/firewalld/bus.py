"""firewalld over D-Bus, by the library jeepney.

In here: its methods, properties and signals. Not in here: rules (rules), what is done with them
(backend), firewall-cmd, for hosts without the library (command).

The bus and whoever has firewalld's name there are root's, and trusted. They may hang, or go.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from jeepney import (
    DBusAddress,
    MatchRule,
    Message,
    MessageFlag,
    MessageType,
    message_bus,
    new_method_call,
)
from jeepney.io.asyncio import open_dbus_connection as open_for_loop
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.low_level import HeaderFields
from jeepney.wrappers import Properties

from watchword.edges.firewall.firewalld.talk import (
    SECONDS,
    News,
    RefusedError,
    Zone,
    not_running,
    refused,
)
from watchword.errors import HostError

NAME: Final = "org.fedoraproject.FirewallD1"
_PATH: Final = "/org/fedoraproject/FirewallD1"
_MAIN: Final = DBusAddress(_PATH, bus_name=NAME, interface=NAME)
_ZONE: Final = DBusAddress(_PATH, bus_name=NAME, interface=f"{NAME}.zone")
_NOBODY: Final = ("ServiceUnknown", "NameHasNoOwner", "NoReply", "Disconnected", "Spawn")
_GONE: Final = ("NOT_ENABLED", "INVALID_ZONE")
PAUSE: Final = 0.05
"""Seconds between two pieces of news, so that a storm of changes costs twenty a second."""
_RULE_CAME_OR_WENT: Final = ("RichRuleAdded", "RichRuleRemoved")
"""Signals of a zone, each with its name and the rule."""
_AGAIN: Final = 0.5
"""Seconds until a bus that is not there is looked for again."""


class BusFirewalld:
    """The firewalld of the system bus: ``DBUS_SYSTEM_BUS_ADDRESS``, or the usual one."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._one_at_a_time = threading.RLock()
        self._connection: DBusConnection | None = None

    def families(self) -> frozenset[int]:
        """Raises HostError."""
        state = self._property("state")
        if state != "RUNNING":
            raise HostError(f"firewalld is in state {state}", hint="see systemctl status firewalld")
        return frozenset(version for version in (4, 6) if self._property(f"IPv{version}"))

    def incarnation(self) -> str:
        """Raises HostError."""
        [owner] = self._answer(message_bus.GetNameOwner(NAME))
        return str(owner)

    def zones(self) -> frozenset[str]:
        """Raises HostError."""
        [active] = self._ask(_ZONE, "getActiveZones")
        [default] = self._ask(_MAIN, "getDefaultZone")
        return frozenset({*active, default})

    def all_zones(self) -> frozenset[str]:
        """Raises HostError."""
        [found] = self._ask(_ZONE, "getZones")
        return frozenset(found)

    def rules(self, zone: str) -> Sequence[str]:
        """Raises HostError."""
        try:
            [found] = self._ask(_ZONE, "getRichRules", "s", zone)
        except RefusedError as error:
            if _says(error, _GONE):
                return ()
            raise
        return list(found)

    def zone(self, name: str) -> Zone:
        """Raises HostError."""
        [found] = self._ask(_ZONE, "getZoneSettings2", "s", name)
        told = {key: value for key, (_, value) in found.items()}
        ports = [f"{port}/{proto}" for port, proto in told.get("ports", ())]
        return Zone(told.get("target", "default"), told.get("services", ()), ports)

    def service_ports(self, name: str) -> Sequence[str]:
        """Raises HostError."""
        [found] = self._ask(_MAIN, "getServiceSettings2", "s", name)
        _, ports = found.get("ports", ("", ()))
        return [f"{port}/{proto}" for port, proto in ports]

    def put(self, zone: str, rule: str, seconds: int) -> None:
        """Raises HostError."""
        try:
            self._ask(_ZONE, "addRichRule", "ssi", zone, rule, seconds)
        except RefusedError as error:
            if not _says(error, ("ALREADY_ENABLED",)):
                raise
            self.take(zone, rule)  # it may have another timeout, or none
            self._ask(_ZONE, "addRichRule", "ssi", zone, rule, seconds)

    def take(self, zone: str, rule: str) -> None:
        """Raises HostError."""
        try:
            self._ask(_ZONE, "removeRichRule", "ss", zone, rule)
        except RefusedError as error:
            if not _says(error, _GONE):
                raise

    def reload(self) -> None:
        """Raises HostError."""
        self._ask(_MAIN, "reload")

    async def news(self) -> AsyncIterator[News]:
        """Yields after signals of firewalld's, and when its name or the bus comes or goes."""
        while True:
            with contextlib.suppress(OSError, EOFError, ValueError, RuntimeError):
                async with await open_for_loop("SYSTEM") as connection:
                    await self._listen(connection)
                    yield None  # whatever happened before we listened
                    while True:
                        if heard := await _heard(connection):
                            yield _news(heard)
            await asyncio.sleep(_AGAIN)

    async def _listen(self, connection: Any) -> None:
        for rule in (
            MatchRule(type="signal", sender=NAME),
            _owner_changes(),
        ):
            await connection.send(message_bus.AddMatch(rule))

    def close(self) -> None:
        with self._one_at_a_time:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _property(self, name: str) -> Any:
        [(_, value)] = self._answer(Properties(_MAIN).get(name))
        return value

    def _ask(self, whom: DBusAddress, method: str, signature: str = "", *body: object) -> Any:
        return self._answer(new_method_call(whom, method, signature or None, body))

    def _answer(self, question: Message) -> Any:
        """What it says. Raises NotRunningError, RefusedError, HostError."""
        question.header.flags |= MessageFlag.no_auto_start
        with self._one_at_a_time:
            limit = time.monotonic() + self._seconds
            try:
                reply = self._exchange(question, limit)
            except TimeoutError:
                self.close()
                raise HostError(
                    f"firewalld does not answer within {self._seconds:g} seconds",
                    hint="see systemctl status firewalld",
                ) from None
            except (OSError, EOFError):
                self.close()
                raise not_running() from None
            except (ValueError, RuntimeError) as error:  # refused, or an address that is none
                raise HostError(f"the system bus cannot be used: {error}") from error
        if reply.header.message_type is MessageType.error:
            raise _refused(reply)
        return reply.body

    def _exchange(self, question: Message, limit: float) -> Message:
        """Raises OSError, EOFError, TimeoutError."""
        for last in (False, True):
            fresh = self._connection is None
            if self._connection is None:
                self._connection = open_dbus_connection("SYSTEM")
            try:
                return self._connection.send_and_get_reply(
                    question, timeout=max(0.0, limit - time.monotonic())
                )
            except TimeoutError:
                raise
            except (OSError, EOFError):
                if fresh or last:  # a connection that was kept may have been closed since
                    raise
                self.close()
        raise AssertionError("it returns or raises")


def _owner_changes() -> MatchRule:
    rule = MatchRule(type="signal", sender="org.freedesktop.DBus", member="NameOwnerChanged")
    rule.add_arg_condition(0, NAME)
    return rule


async def _heard(connection: Any) -> list[Message]:
    """Wait for a message, and let what comes with it come; the signals among it."""
    messages = [await connection.receive()]
    limit = time.monotonic() + PAUSE
    with contextlib.suppress(TimeoutError):
        while (left := limit - time.monotonic()) > 0:
            async with asyncio.timeout(left):
                messages.append(await connection.receive())
    return [each for each in messages if _is_for_all(each)]


def _news(signals: Iterable[Message]) -> News:
    """The rules that they are about; None: one is about something else."""
    rules = []
    for each in signals:
        if each.header.fields.get(HeaderFields.member) not in _RULE_CAME_OR_WENT:
            return None
        rules.append(str(each.body[1]) if len(each.body) > 1 else "")
    return rules


def _is_for_all(message: Message) -> bool:
    """Whether it is a signal that we asked the bus for. What is addressed to us alone anybody on
    this host may have sent."""
    header = message.header
    signal = header.message_type is MessageType.signal
    return signal and HeaderFields.destination not in header.fields


def _refused(reply: Message) -> HostError:
    name = str(reply.header.fields.get(HeaderFields.error_name, ""))
    if any(each in name for each in _NOBODY):
        return not_running()
    said = str(reply.body[0]) if reply.body else name
    return refused(said)


def _says(error: RefusedError, words: Sequence[str]) -> bool:
    return any(f"refuses: {word}" in str(error) for word in words)
