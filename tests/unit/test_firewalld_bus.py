"""What counts as news of firewalld on the bus."""

from __future__ import annotations

import asyncio

from jeepney import DBusAddress, Message, new_signal
from jeepney.low_level import HeaderFields

from watchword.edges.firewall.firewalld.bus import NAME, _heard, _news

_FIREWALLD = DBusAddress("/org/fedoraproject/FirewallD1", bus_name=NAME, interface=NAME)


class Connection:
    """Messages that have come, and then none."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)

    async def receive(self) -> Message:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)


_ZONE = DBusAddress("/org/fedoraproject/FirewallD1", bus_name=NAME, interface=f"{NAME}.zone")


def of_zone(name: str, *body: object) -> Message:
    return new_signal(_ZONE, name, "s" * len(body), body)


def signal(destination: str = "") -> Message:
    message = new_signal(_FIREWALLD, "Reloaded")
    if destination:
        message.header.fields[HeaderFields.destination] = destination
    return message


def test_what_any_user_may_send_to_the_daemon_alone_is_no_news() -> None:
    forged = [signal(":1.42") for _ in range(3)]
    assert not asyncio.run(_heard(Connection(*forged)))
    assert asyncio.run(_heard(Connection(signal())))
    assert asyncio.run(_heard(Connection(*forged, signal())))


def test_rich_rules_that_came_or_went_are_told_apart_from_anything_else() -> None:
    came, went = of_zone("RichRuleAdded", "public", "one"), of_zone("RichRuleRemoved", "work", "2")
    assert _news([came, went]) == ["one", "2"]
    assert _news([came, signal()]) is None
    assert _news([of_zone("PortAdded", "public", "22", "tcp")]) is None
    assert _news([of_zone("RichRuleAdded", "public")]) == [""]
