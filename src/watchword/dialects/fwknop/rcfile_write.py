"""Saves settings in an rc file, and leaves alone what it was not asked to change.

In here: settings as variables in the fixed order, merging them into a stanza,
the text of a new file.
Not in here: asking the user (service.client.save), writing the file (edges.files).

Source: client, section 10. Differences: comments and empty lines stay where
they are, and so does every variable that is not given this time, except with
``--force-stanza``. A passphrase that an rc file cannot hold is saved in base64.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Final

from watchword.dialects.fwknop import rcfile
from watchword.dialects.fwknop.client_settings import (
    Allow,
    AllowKind,
    Given,
    KeyForm,
    KeyWord,
    RelayForm,
)
from watchword.dialects.fwknop.client_values import MAX_KEY_TEXT, offset_text
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode

ORDER: Final = (
    "DIGEST_TYPE", "SPA_SERVER_PROTO", "SPA_SERVER_PORT", "SPA_SOURCE_PORT", "FW_TIMEOUT",
    "ALLOW_IP", "TIME_OFFSET", "ENCRYPTION_MODE", "USE_GPG", "USE_GPG_AGENT", "GPG_RECIPIENT",
    "GPG_SIGNER", "GPG_HOMEDIR", "GPG_EXE", "GPG_NO_SIGNING_PW", "SPOOF_USER", "SPOOF_SOURCE_IP",
    "ACCESS", "SPA_SERVER", "RAND_PORT", "KEY", "KEY_BASE64", "HMAC_DIGEST_TYPE",
    "HMAC_KEY_BASE64", "HMAC_KEY", "USE_HMAC", "USE_WGET_USER_AGENT", "KEY_FILE",
    "HMAC_KEY_FILE", "NAT_ACCESS", "HTTP_USER_AGENT", "RESOLVE_URL", "SERVER_RESOLVE_IPV4",
    "NAT_LOCAL", "NAT_RAND_PORT", "NAT_PORT", "VERBOSE", "RESOLVE_IP_HTTPS",
    "RESOLVE_HTTP_ONLY", "WGET_CMD", "NO_SAVE_ARGS", "VIA", "HTTP_PROXY", "SOCKS_PROXY",
    "CA_FILE", "ICMP_TYPE", "ICMP_CODE", "ALL_ADDRESSES", "RESOLVERS", "RESOLVE_AGREE",
    "BIND_SOURCE_PORT", "ASK_PREFIX", "ALSO_ALLOW", "PROVE", "SECRET_PORTS",
)  # fmt: skip
CRITICAL: Final = frozenset(
    {
        "KEY", "KEY_BASE64", "HMAC_KEY", "HMAC_KEY_BASE64", "GPG_RECIPIENT", "GPG_SIGNER",
        "GPG_SIGNING_PW", "GPG_SIGNING_PW_BASE64",
    }
)  # fmt: skip
"""What is not replaced without asking."""

_GROUPS: Final = (
    frozenset({"KEY", "KEY_BASE64", "KEY_FILE", "GPG_SIGNING_PW", "GPG_SIGNING_PW_BASE64"}),
    frozenset({"HMAC_KEY", "HMAC_KEY_BASE64", "HMAC_KEY_FILE"}),
    frozenset({"FW_TIMEOUT", "CLIENT_TIMEOUT"}),
    frozenset({"ALLOW_IP", "RESOLVE_IP_HTTPS", "RESOLVE_IP_HTTP"}),
    frozenset({"HTTP_PROXY", "SOCKS_PROXY"}),
    frozenset({"SPA_SERVER_PROTO", "VIA"}),
    frozenset({"RESOLVERS", "RESOLVE_URL"}),
)
"""Several names for one thing: writing one takes the others out."""
_RELAYS: Final = {RelayForm.HTTP: "HTTP_PROXY", RelayForm.SOCKS: "SOCKS_PROXY"}


def variables(given: Given) -> dict[str, str]:
    """What a layer says as variables, in the order in which they are written.

    Raises OperatorError for a value that could not be read back.
    """
    said = dict(_plain(given)) | dict(given.elsewhere)
    if given.allow is not None:
        said |= _allow(given.allow)
    for name, word in (("KEY", given.key), ("HMAC_KEY", given.mac_key)):
        if word is not None:
            said |= _key(name, word)
    for name, value in said.items():
        _check(name, value)
    return {name: said[name] for name in ORDER if name in said}


def _plain(given: Given) -> Iterator[tuple[str, str]]:
    texts = {
        "SPA_SERVER_PROTO": given.proto,
        "SPA_SERVER_PORT": given.server_port,
        "SPA_SOURCE_PORT": given.source_port,
        "FW_TIMEOUT": given.seconds,
        "TIME_OFFSET": None if given.time_offset is None else offset_text(given.time_offset),
        "SPOOF_USER": given.user,
        "ACCESS": given.access,
        "SPA_SERVER": given.server,
        "NAT_ACCESS": given.nat_access,
        "NAT_PORT": given.nat_port,
        "SPOOF_SOURCE_IP": given.spoof_source,
        "HTTP_USER_AGENT": given.user_agent,
        "VIA": given.via,
        "CA_FILE": given.ca_file,
        "ICMP_TYPE": given.icmp_type,
        "ICMP_CODE": given.icmp_code,
    }
    switches = {
        "RAND_PORT": given.rand_port,
        "USE_HMAC": given.use_hmac,
        "SERVER_RESOLVE_IPV4": given.only_ipv4,
        "NAT_LOCAL": given.nat_local,
        "NAT_RAND_PORT": given.nat_rand_port,
        "NO_SAVE_ARGS": given.no_save_args,
        "ALL_ADDRESSES": given.every_address,
    }
    yield from ((name, str(text)) for name, text in texts.items() if text is not None)
    yield from ((name, "Y" if on else "N") for name, on in switches.items() if on is not None)
    for name, digest in (("DIGEST_TYPE", given.digest), ("HMAC_DIGEST_TYPE", given.mac_digest)):
        if digest is not None:
            yield name, digest.name
    if given.relay is not None and given.relay.text:
        yield _RELAYS[given.relay.form], given.relay.text
    if given.mode is not None:
        yield "ENCRYPTION_MODE", mode_name(given.mode)
    if given.verbose is not None:
        yield "VERBOSE", "Y" if given.verbose == 1 else str(min(given.verbose, 4))


def mode_name(mode: CipherMode) -> str:
    """As the original writes and shows it: ``CBC``, ``legacy``, ``Asymmetric``."""
    odd = {CipherMode.LEGACY: "legacy", CipherMode.ASYMMETRIC: "Asymmetric"}
    return odd.get(mode, mode.name)


def _allow(allow: Allow) -> dict[str, str]:
    match allow.kind:
        case AllowKind.ADDRESS:
            return {"ALLOW_IP": allow.text}
        case AllowKind.SOURCE:
            return {"ALLOW_IP": "source"}
        case AllowKind.RESOLVE:
            return {"RESOLVE_IP_HTTPS": "Y"}
        case AllowKind.NAME:
            raise OperatorError(
                "--allow-IP with a name cannot be saved: ALLOW_IP is an address.",
                hint="give the address, or save the rest and give the name each time",
            )


def _key(name: str, word: KeyWord) -> dict[str, str]:
    if word.form is KeyForm.FILE:
        return {f"{name}_FILE": word.text}
    if word.form is KeyForm.BASE64:
        return {f"{name}_BASE64": word.text}
    octets = word.text.encode("utf-8", "surrogateescape")[:MAX_KEY_TEXT]
    if rcfile.is_value(word.text) and word.text.isascii():
        return {name: octets.decode("ascii")}
    return {f"{name}_BASE64": b64encode(octets).decode("ascii")}


def _check(name: str, value: str) -> None:
    if not rcfile.is_value(value) or len(_line(name, value).encode()) > rcfile.MAX_LINE:
        raise OperatorError(
            f"{name} cannot be saved: a value in an rc file has no blank, no # and no ;",
            hint="give this option on the command line each time, without saving it",
        )


def _line(name: str, value: str) -> str:
    return f"{name:<24}    {value}\n"


def rivals(name: str) -> frozenset[str]:
    """All variables that answer the same question as this one, itself included."""
    return next((group for group in _GROUPS if name in group), frozenset({name}))


def at_stake(text: str, stanza: str, wanted: Mapping[str, str]) -> list[tuple[str, str]]:
    """Critical variables that would be replaced: (the one that stands there, the wanted one).

    Not those whose value stays the same.
    """
    found: dict[str, str] = {}
    for line in rcfile.lines(text):
        if line.name and rcfile.same(line.section, stanza):
            found[line.name] = line.value
    return [
        (old, new)
        for new in wanted
        for old in found
        if old in rivals(new) and (old in CRITICAL or new in CRITICAL)
        if (old, found[old]) != (new, wanted[new])
    ]


def save(text: str, stanza: str, wanted: Mapping[str, str], *, anew: bool) -> str:
    """The file with the wanted variables in the stanza.

    Args:
        text: The file as it is.
        stanza: Where to put them; appended if the file has no such section.
        wanted: In the order in which they are written.
        anew: True takes out every other variable of the stanza (``--force-stanza``).
    """
    before = list(rcfile.lines(text))
    heads = [
        at for at, line in enumerate(before) if line.head and rcfile.same(line.section, stanza)
    ]
    if not heads:
        return _ended(text) + _new_stanza(stanza, wanted, first=not text.strip())
    gone = frozenset[str]().union(*map(rivals, wanted))
    inside = [at for at, line in enumerate(before) if rcfile.same(line.section, stanza)]
    kept = {
        at: line.text
        for at, line in enumerate(before)
        if at not in inside or not line.name or not (anew or line.name in gone)
    }
    slots = {} if anew else _slots([before[at] for at in inside], inside, wanted)
    for at, name in slots.items():
        kept[at] = _line(name, wanted[name])
    rest = [_line(name, wanted[name]) for name in wanted if name not in slots.values()]
    last = max((at for at in inside if before[at].head or before[at].name), default=heads[-1])
    result = []
    for at in range(len(before)):
        result += [kept[at]] if at in kept else []
        if at == last:
            result = [_ended("".join(result)), *rest]
    return "".join(result)


def _slots(
    lines: list[rcfile.Line], numbers: list[int], wanted: Mapping[str, str]
) -> dict[int, str]:
    """Where wanted variables stand already: the last line of each, which is the one that counts."""
    last = {line.name: at for line, at in zip(lines, numbers, strict=True) if line.name in wanted}
    return {at: name for name, at in last.items()}


def _new_stanza(stanza: str, wanted: Mapping[str, str], *, first: bool) -> str:
    gap = "" if first else "\n"
    return f"{gap}[{stanza}]\n" + "".join(_line(*each) for each in wanted.items())


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


INITIAL: Final = """\
# Settings of the fwknop client. It sends one encrypted UDP packet, and the server
# answers with an allow rule in its firewall: limited in time, for one client, at
# the transport level. To everybody else the port stays closed.
#
# A section begins with its name in square brackets. [default] holds for every
# run; the section that is named with -n comes on top of it, and options on the
# command line come on top of both.
#
# A line is a name, blanks and a value. A value ends at the first blank, # or ;.
# A comment begins with # or ; in the first column.
#
# Keep this file to yourself (mode 0600): it may hold keys. Make keys and store
# a section in one step with
#
#     fwknop -A tcp/22 -a ADDRESS -D SERVER --key-gen --use-hmac --save-rc-stanza
#
# and see what there is with fwknop --stanza-list.

[default]

#SPA_SERVER_PROTO            udp
#SPA_SERVER_PORT             62201
#FW_TIMEOUT                  30
#DIGEST_TYPE                 sha256
#HMAC_DIGEST_TYPE            sha256
#ALLOW_IP                    source
#SPOOF_USER                  alice
#TIME_OFFSET                 0
#NO_SAVE_ARGS                N

# One section for each server:
#
#[gateway]
#SPA_SERVER                  gateway.example.org
#ACCESS                      tcp/22
#ALLOW_IP                    192.0.2.10
#KEY_BASE64                  (made with --key-gen)
#HMAC_KEY_BASE64             (made with --key-gen)
#USE_HMAC                    Y
"""
"""What a file that did not exist begins with; our own text."""
