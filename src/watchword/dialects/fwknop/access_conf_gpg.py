"""Reads a stanza's GPG lines into what OpenPGP packets are opened with.

In here: key ring, passphrase, whose signature counts, and what is wrong or
unwise about them.
Not in here: symmetric keys and HMAC (access_conf_keys), running gpg (edges).

Source: access.conf, 4.4. Differences: key ids of 16 digits and lower-case
fingerprints match, where the original compares text; GPG_EXE of fwknopd.conf
counts; a stanza whose gpg is missing is out of use, and the others are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_keys import Keys, UnusableError
from watchword.dialects.fwknop.lines import Entry, shown, shown_file
from watchword.errors import Complaint
from watchword.model.crypto import Secret
from watchword.model.openpgp import Keyring, OpenPgpCredential, Signers
from watchword.record import record

_FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}")
_ID: Final = re.compile(r"[0-9A-F]{8}|[0-9A-F]{16}|[0-9A-F]{40}")
_SHORT_ID: Final = 8  # digits; keys with the same last eight can be made in minutes


@record
class Surroundings:
    """What a stanza's GPG lines fall back on, and what there is on this machine."""

    home: str
    program: str
    is_folder: Callable[[str], bool]
    is_program: Callable[[str], bool]
    is_private: Callable[[str], bool]
    """Whether nobody but root and the daemon's own user can write into a folder."""


def asks_for_gpg(stanza: Stanza) -> bool:
    """Whether the stanza takes OpenPGP packets."""
    return "GPG_DECRYPT_PW" in stanza.given or _flag(stanza, "GPG_ALLOW_NO_PW")


def openpgp(stanza: Stanza, around: Surroundings, keys: Keys) -> OpenPgpCredential | None:
    """What opens the stanza's OpenPGP packets; None if it takes none.

    Raises UnusableError with the first thing wrong.
    """
    if not asks_for_gpg(stanza):
        return None
    home, program = stanza.given.get("GPG_HOME_DIR"), stanza.last_of("GPG_EXE", "GPG_PATH")
    label = shown(stanza.source.value)
    folder = home.value if home else around.home
    if home is not None and not around.is_folder(folder):
        raise UnusableError(
            Complaint(
                f"[*] GPG_HOME_DIR directory '{shown_file(folder)}' stat()/existence problem in "
                f"stanza source '{label}' in access file: '{shown_file(home.place.file)}'",
                home.place,
                "import the keys there (gpg --homedir), or name the folder that has them",
            )
        )
    signers = _signers(stanza)
    if not _anybody(stanza):
        _check_lists(stanza, signers, label)
    password = stanza.given.get("GPG_DECRYPT_PW")
    secret = Secret(password.value.encode("utf-8", "surrogateescape")) if password else None
    ring = Keyring(folder, program.value if program else around.program, secret)
    return OpenPgpCredential(ring, signers, keys.mac_key, keys.mac_digest)


def missing(found: OpenPgpCredential, around: Surroundings) -> str:
    """Why the key ring cannot be used on this machine at all; empty if it can."""
    program, home = found.keyring.program, found.keyring.home
    if not around.is_program(program):
        return f"there is no program {shown(program)}"
    return "" if around.is_folder(home) else f"there is no key ring {shown_file(home)}"


def remarks(stanza: Stanza, found: OpenPgpCredential, around: Surroundings) -> Iterator[Complaint]:
    """What can be used and had better be otherwise."""
    home = found.keyring.home
    if not around.is_private(home):
        place = stanza.given.get("GPG_HOME_DIR") or stanza.source
        text = f"others can write into GPG_HOME_DIR '{shown(home)}', and gpg's agent does as its"
        hint = "make a folder of root's own, mode 0700, and import the keys there"
        yield Complaint(f"{text} files there say", place.place, hint, fatal=False)
    yield from _about_signing(stanza, found.signers)
    if not _anybody(stanza):
        yield from _about_lists(stanza, found.signers)


def _about_signing(stanza: Stanza, signers: Signers) -> Iterator[Complaint]:
    """Signatures that count, or need not be, although they should not."""
    name = f"stanza source: '{shown(stanza.source.value)}'"
    number = f"#{stanza.number}"
    disabled = stanza.given.get("GPG_DISABLE_SIG")
    if disabled is not None and _flag(stanza, "GPG_DISABLE_SIG"):
        if signers.required:
            text = "GPG_REQUIRE_SIG and GPG_DISABLE_SIG are both set, will check sigs"
            text = f"Warning: {text} ({name} {number})"
            hint = "remove one of the two lines"
        else:
            text = f"Warning: GPG_REQUIRE_SIG should really be enabled for {name} ({number})"
            hint = "remove GPG_DISABLE_SIG and list the signers in GPG_FINGERPRINT_ID"
        yield Complaint(text, disabled.place, hint, fatal=False)
    ignoring = stanza.given.get("GPG_IGNORE_SIG_VERIFY_ERROR")
    if ignoring is not None and signers.any_state and signers.required:
        text = f"signatures of keys that are expired or not trusted count for {name} ({number})"
        hint = "sign the clients' keys in the key ring, and remove the line"
        yield Complaint(text, ignoring.place, hint, fatal=False)
    if _anybody(stanza):
        text = f"whoever's public key is in the key ring may sign for {name} ({number})"
        hint = "list the clients' fingerprints in GPG_FINGERPRINT_ID"
        yield Complaint(text, stanza.given["GPG_REMOTE_ID"].place, hint, fatal=False)


def _about_lists(stanza: Stanza, signers: Signers) -> Iterator[Complaint]:
    """Signers who cannot be told from others by what is listed."""
    for line in filter(None, map(stanza.given.get, ("GPG_REMOTE_ID", "GPG_FINGERPRINT_ID"))):
        yield from _about_list(line)
    if signers.required and not signers.fingerprints:
        listed = stanza.given["GPG_REMOTE_ID"]
        if any(len(each) == _SHORT_ID for each in signers.ids):
            yield Complaint(
                "a key id of eight digits can be forged",
                listed.place,
                "list the whole fingerprint in GPG_FINGERPRINT_ID",
                fatal=False,
            )


def _about_list(line: Entry) -> Iterator[Complaint]:
    form, what = (
        (_FINGERPRINT, "a fingerprint has 40 hexadecimal digits")
        if line.name.startswith("GPG_FINGERPRINT_ID")
        else (_ID, "a key id has 8 or 16 hexadecimal digits")
    )
    for each in sorted(_listed(line)):
        if not form.fullmatch(each):
            text = f"{line.name.removesuffix(':')} has '{shown(each)}', which fits no key"
            yield Complaint(text, line.place, what, fatal=False)


def _signers(stanza: Stanza) -> Signers:
    return Signers(
        required=not _flag(stanza, "GPG_DISABLE_SIG") or _flag(stanza, "GPG_REQUIRE_SIG"),
        any_state=_flag(stanza, "GPG_IGNORE_SIG_VERIFY_ERROR"),
        fingerprints=_listed(stanza.given.get("GPG_FINGERPRINT_ID")),
        ids=frozenset() if _anybody(stanza) else _ids(_listed(stanza.given.get("GPG_REMOTE_ID"))),
    )


def _anybody(stanza: Stanza) -> bool:
    """``GPG_REMOTE_ID: ANY;`` of fwknop 1.9: any key of the key ring whose signature is good."""
    line = stanza.given.get("GPG_REMOTE_ID")
    return stanza.perl and line is not None and line.value.upper() == "ANY"


def _ids(words: frozenset[str]) -> frozenset[str]:
    """What is no key id stays in the list, so that it is one, and fits nothing."""
    return frozenset(word if _ID.fullmatch(word) else f"no key: {word}" for word in words)


def _listed(line: Entry | None) -> frozenset[str]:
    """The entries of a list in the form in which gpg reports keys."""
    if line is None:
        return frozenset()
    words = (each.replace(" ", "").upper().removeprefix("0X") for each in line.value.split(","))
    return frozenset(word for word in words if word)


def _check_lists(stanza: Stanza, signers: Signers, label: str) -> None:
    if signers.required and not signers.fingerprints and not signers.ids:
        raise UnusableError(
            Complaint(
                "Warning: Must have either sig ID's or fingerprints to check via GPG_REMOTE_ID or "
                f"GPG_FINGERPRINT_ID (stanza source: '{label}' #{stanza.number})",
                stanza.source.place,
                "add GPG_FINGERPRINT_ID with the fingerprint of the client's key",
            )
        )


def _flag(stanza: Stanza, name: str) -> bool:
    line = stanza.given.get(name)
    return line is not None and line.value[:1] in ("y", "Y")
