"""The commands of fwknopd that work with all that its files say, or with what a daemon left.

In here: what each of them does and prints.
Not in here: which of them acts first (server), those that need next to nothing (server_commands).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

from watchword.dialects.fwknop import dump, translate
from watchword.dialects.fwknop.anonymous import Anonymous
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.edges.capture.hit_log import hits_in
from watchword.edges.capture.queue_rule import QueueRule
from watchword.edges.clock import SystemClock
from watchword.edges.programs import SystemPrograms
from watchword.edges.replay import old_cache
from watchword.edges.replay.reading import export_digest_cache
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.daemon_events import KeyFile
from watchword.model.settings import PacketQueue, Settings
from watchword.recognise.fingerprints import fitting
from watchword.service import asking
from watchword.service.complain import say
from watchword.service.daemon import assembly, listing, own_configuration, process, surroundings
from watchword.service.daemon.flushing import end_everything
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.own_configuration import configured, proven
from watchword.service.daemon.own_files import sources
from watchword.service.daemon.server_commands import PROGRAM

MOST_SENDERS = 10_000
"""Of a log, that are listed."""


def summary(options: ServerOptions) -> str:
    """For ``--status -v``."""
    return listing.summary(own_configuration.settings(options))


def _list_grants(options: ServerOptions) -> int:
    print(listing.grants(own_configuration.settings(options)), end="")
    return 0


def _list_everything(options: ServerOptions) -> int:
    print(listing.everything(own_configuration.settings(options)), end="")
    return 0


def _end_of_address(options: ServerOptions) -> int:
    """The running daemon has to do it: it would put back what others take out."""
    settings = own_configuration.settings(options)
    told = asking.change(settings.run_dir / asking.NAME, "revoke", address=options.fw_del_ip)
    print(f"Ended {told['count']} grants of {options.fw_del_ip}.")
    if told["trouble"]:
        raise HostError(f"not carried out yet, it is tried again: {told['trouble']}")
    return 0 if told["count"] else 1


def _without_daemon(options: ServerOptions) -> Settings:
    """The settings, if nobody runs who would put back what is taken out. Raises OperatorError."""
    settings = own_configuration.settings(options)
    pid = process.holder(settings.pid_file)
    if pid is not None:
        raise OperatorError(
            f"fwknopd is running (pid={pid}) and would put everything back at once",
            hint="end it first: fwknopd -K",
        )
    return settings


def _withdraw(options: ServerOptions) -> int:
    from watchword.edges.firewall.dated.backend import DatedFirewall
    from watchword.edges.firewall.tables.backend import TablesFirewall

    firewall = assembly.firewall_for(_without_daemon(options), SystemClock())
    if isinstance(firewall, TablesFirewall | DatedFirewall):
        print(f"Took {firewall.withdraw()} rules of grants out of {firewall.name}.")
    return 0


def _flush(options: ServerOptions) -> int:
    settings = _without_daemon(options)
    print("Deleting any existing firewall rules...")
    reporter = Logbook(settings.log, foreground=True, syslog=False)
    _take_out(settings)
    return 1 if asyncio.run(end_everything(settings, reporter)) else 0


def _take_out(settings: Settings) -> None:
    assembly.firewall_for(settings, SystemClock()).teardown()
    for source in settings.sources:
        if isinstance(source, PacketQueue):
            QueueRule(source, SystemPrograms()).remove()


def _dump(options: ServerOptions) -> int:
    configuration = configured(options)
    say(PROGRAM, configuration.complaints)
    text = dump.dump_config(configuration, origins=options.verbose > 0)
    if options.anonymize:
        names = Anonymous()
        names.learn_from(configuration)
        text = names.text(text)
    print(text, end="")
    return 0


def _check_memory(options: ServerOptions) -> int:
    """Open the replay store, taking fwknop's own memory over, and say what was found."""
    settings = configured(options).settings

    async def look() -> Sequence[Complaint]:
        memory, complaints = await assembly.open_memory(settings)
        await memory.aclose()
        return complaints

    say(PROGRAM, asyncio.run(look()))
    print("Digest cache parsed, exiting.", file=sys.stderr)
    return 0


def _export_memory(options: ServerOptions) -> int:
    """For a way back: fwknopd of fwknop knows then what has been used up here."""
    settings = own_configuration.settings(options)
    path = Path(options.export_digest_cache or "")
    count = old_cache.write(path, export_digest_cache(settings.state_dir))
    print(f"Wrote {count} digests to {path}.")
    return 0


def _systems(options: ServerOptions) -> int:
    """Each sender in the log with the systems whose packets look like his, as 1.9 says it."""
    file, signatures = translate.fingerprinting(sources(), options)
    found: dict[bytes, dict[str, None]] = {}
    for hit in hits_in(process.started_in() / file):
        for each in fitting(hit, signatures):
            if hit.source in found or len(found) < MOST_SENDERS:
                found.setdefault(hit.source, {})[f"{each.text:<33}{each.name}"] = None
    for source, lines in found.items():
        print("\n".join((f"[+] {ip_address(source)}", *(f"      {line}" for line in lines))))
    return 0


def _check(options: ServerOptions) -> int:
    configuration = proven(options)
    assembly.check_needs(configuration.settings, configuration.policy)
    book = Logbook(configuration.settings.log, foreground=True, syslog=False)
    surroundings.set_locale(configuration.settings, book)
    for path in configuration.key_files:
        book.report(KeyFile(path))
    say(PROGRAM, configuration.complaints)
    print("Configs parsed, exiting.", file=sys.stderr)
    return 0


ANSWERS: Mapping[str, Callable[[ServerOptions], int]] = {
    "fw_list": _list_grants,
    "fw_list_all": _list_everything,
    "fw_del_ip": _end_of_address,
    "fw_flush": _flush,
    "fw_withdraw": _withdraw,
    "dump_config": _dump,
    "exit_parse_config": _check,
    "exit_parse_digest_cache": _check_memory,
    "export_digest_cache": _export_memory,
    "os": _systems,
}
"""By the option that asks; what comes back is the exit status."""
