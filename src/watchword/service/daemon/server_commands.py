"""The commands of fwknopd that are not serving: each option that prints something and ends.

In here: what each of them does and prints; reading the configuration for them
and for the daemon.
Not in here: which of them acts first (server), option names
(dialects.fwknop.server_options), locks and signals (process).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

from watchword import __version__
from watchword.dialects.fwknop import dump, generated_keys, server_options, translate
from watchword.dialects.fwknop.anonymous import Anonymous
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.translate import Configuration
from watchword.edges import files, patterns, randomness
from watchword.edges.capture.hit_log import hits_in
from watchword.edges.capture.queue_rule import QueueRule
from watchword.edges.clock import SystemClock
from watchword.edges.firewall.dated.backend import DatedFirewall
from watchword.edges.firewall.tables.backend import TablesFirewall
from watchword.edges.programs import SystemPrograms
from watchword.edges.replay import old_cache
from watchword.edges.replay.reading import export_digest_cache
from watchword.errors import Complaint, HostError, OperatorError
from watchword.model.crypto import Digest
from watchword.model.daemon_events import KeyFile
from watchword.model.settings import PacketQueue, Settings
from watchword.recognise.fingerprints import fitting
from watchword.service import asking, policy_trial
from watchword.service.complain import say
from watchword.service.daemon import assembly, listing, process, surroundings
from watchword.service.daemon.flushing import end_everything
from watchword.service.daemon.logbook import Logbook
from watchword.service.daemon.own_files import configured, sources
from watchword.service.daemon.own_files import settings as own_settings

PROGRAM = "fwknopd"
_ANSWER = 2.0  # seconds for a daemon to say that it is there


def _help(options: ServerOptions) -> int:
    print(server_options.usage(), end="")
    return 0


def _version(options: ServerOptions) -> int:
    print(f"fwknopd server {__version__}, compiled for firewall bin: nft")
    return 0


def _make_keys(options: ServerOptions) -> int:
    name = (options.hmac_digest_type or "sha256").upper()
    if name not in Digest.__members__:
        known = ",".join(each.name.lower() for each in Digest)
        raise OperatorError(f"* Invalid hmac digest type: {name}, use {{{known}}}")
    sizes = generated_keys.lengths(Digest[name], options.key_len, options.hmac_key_len)
    text = generated_keys.shown(*map(randomness.key_bytes, sizes))
    if not options.key_gen_file:
        print(text, end="")
        return 0
    files.replace_private(Path(options.key_gen_file), text.encode("ascii"))
    print(f"[+] Wrote Rijndael and HMAC keys to: {options.key_gen_file}")
    return 0


def _status(options: ServerOptions) -> int:
    settings = own_settings(options)
    pid = process.server_of(settings.pid_file, PROGRAM, unseen=True)
    if pid is None:
        print("No running fwknopd detected.")
        return 1
    print(f"Detected fwknopd is running (pid={pid}).")
    if not asking.answers(settings.run_dir / asking.NAME, _ANSWER):
        print(
            f"{PROGRAM}: warning: it holds its PID file, and does not answer at "
            f"{settings.run_dir / asking.NAME}: it is busy, has just begun, or hangs",
            file=sys.stderr,
        )
    if options.verbose:
        print(listing.summary(settings), end="")
    return 0


def _kill(options: ServerOptions) -> int:
    settings = own_settings(options)
    ended = process.stop(settings.pid_file)
    if ended is None:
        print("No running fwknopd detected.", file=sys.stderr)
        return 1
    print(f"Killed fwknopd (pid={ended[0]}) via {ended[1]}")
    return 0


def _restart(options: ServerOptions) -> int:
    settings = own_settings(options)
    pid = process.reload(settings.pid_file)
    if pid is None:
        print("No running fwknopd detected.")
        return 1
    print(f"Sent restart signal to fwknopd (pid={pid})")
    return 0


def _list_grants(options: ServerOptions) -> int:
    print(listing.grants(own_settings(options)), end="")
    return 0


def _list_everything(options: ServerOptions) -> int:
    print(listing.everything(own_settings(options)), end="")
    return 0


def _end_of_address(options: ServerOptions) -> int:
    """The running daemon has to do it: it would put back what others take out."""
    settings = own_settings(options)
    told = asking.change(settings.run_dir / asking.NAME, "revoke", address=options.fw_del_ip)
    print(f"Ended {told['count']} grants of {options.fw_del_ip}.")
    if told["trouble"]:
        raise HostError(f"not carried out yet, it is tried again: {told['trouble']}")
    return 0 if told["count"] else 1


def _without_daemon(options: ServerOptions) -> Settings:
    """The settings, if nobody runs who would put back what is taken out. Raises OperatorError."""
    settings = own_settings(options)
    pid = process.holder(settings.pid_file)
    if pid is not None:
        raise OperatorError(
            f"fwknopd is running (pid={pid}) and would put everything back at once",
            hint="end it first: fwknopd -K",
        )
    return settings


def _withdraw(options: ServerOptions) -> int:
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


def _error_codes(options: ServerOptions) -> int:
    print(dump.error_codes(), end="")
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
    settings = own_settings(options)
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
    book = Logbook(configuration.settings.log, foreground=True, syslog=False)
    surroundings.set_locale(configuration.settings, book)
    for path in configuration.key_files:
        book.report(KeyFile(path))
    say(PROGRAM, configuration.complaints)
    print("Configs parsed, exiting.", file=sys.stderr)
    return 0


MOST_SENDERS = 10_000
"""Of a log, that are listed."""
ACTIONS: tuple[tuple[Callable[[ServerOptions], object], Callable[[ServerOptions], int]], ...] = (
    (lambda options: options.help, _help),
    (lambda options: options.version, _version),
    (lambda options: options.dump_serv_err_codes, _error_codes),
    (lambda options: options.key_gen or options.key_gen_file, _make_keys),
    (lambda options: options.kill, _kill),
    (lambda options: options.status, _status),
    (lambda options: options.restart, _restart),
    (lambda options: options.fw_list, _list_grants),
    (lambda options: options.fw_list_all, _list_everything),
    (lambda options: options.fw_del_ip, _end_of_address),
    (lambda options: options.fw_flush, _flush),
    (lambda options: options.fw_withdraw, _withdraw),
    (lambda options: options.dump_config, _dump),
    (lambda options: options.exit_parse_config, _check),
    (lambda options: options.exit_parse_digest_cache, _check_memory),
    (lambda options: options.export_digest_cache, _export_memory),
    (lambda options: options.os, _systems),
)


def proven(options: ServerOptions) -> Configuration:
    """What the files say, and it passes its policy tests: a daemon may run with it.

    Raises OperatorError as ``configured`` does, and with every test that fails.
    """
    configuration = configured(options)
    policy_trial.prove(configuration.policy, configuration.tests, fits)
    return configuration


def fits(pattern: str, command: str) -> bool:
    """Whether a CMD_REGEX matches a command, tried as the daemon does. May raise HostError."""
    return patterns.fits(SystemPrograms(), pattern, command)
