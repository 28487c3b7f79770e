"""Holds a client program against the recorded command lines of ``gpg.json``.

In here: what the packet of each has to say, to whom it is encrypted and who signed it; what
may come of recipients whose packets nobody can read.
Not in here: other command lines (clients), what a library makes of the packets (openpgp).

The client signs with real key rings, and passphrases stand in the command lines as they were
recorded. Somebody who runs gpg is given from outside, to open what the client made. The exit
status says nothing here: with ``--test`` fwknop opens its packet again, and has no key to that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from watchword.conformance import golden
from watchword.conformance.clients import (
    SAVE,
    all_new,
    differences,
    random_amiss,
    time_amiss,
)
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import Vector
from watchword.conformance.openpgp import (
    OpenPgp,
    Rings,
    credential_of,
    key_rings,
    obstacle,
    opened,
)
from watchword.conformance.runs import Run, run
from watchword.spa import Decrypted, Message, Signers, SpaError, compose

GROUP: Final = "GnuPG command line"
UNREADABLE: Final = "GnuPG recipient whose packets nobody can read"
PREFIX: Final = "hQ"
_HOME: Final = "<GPG_HOME>"
_KEY_ID: Final = slice(4, 12)
"""Of the first key that a message is for, in a message that begins as SPA needs it to: two bytes
of length, a version (RFC 4880, 5.1)."""


def judge(program: Sequence[str], openpgp: OpenPgp | None) -> Iterator[Finding]:
    """One finding for each command line, and one over all packets together."""
    lines = [vector for vector in golden.load("gpg") if "argv" in vector]
    others = [vector for vector in golden.gpg_refused() if "argv" in vector]
    why = obstacle(openpgp)
    if openpgp is None or why:
        for vector in (*lines, *others):
            yield Finding(GROUP, vector["id"], Verdict.SKIP, why)
        return
    with key_rings() as rings:
        yield from command_lines(program, lines, rings, openpgp)
        for vector in others:
            yield unreadable(program, vector, rings)


def command_lines(
    program: Sequence[str], vectors: Iterable[Vector], rings: Rings, openpgp: OpenPgp
) -> Iterator[Finding]:
    """Run each command line; at last, compare the random values of all packets."""
    randoms: list[str] = []
    for vector in vectors:
        yield _line(program, vector, rings, openpgp, randoms)
    yield all_new("random values with GnuPG", randoms)


def unreadable(program: Sequence[str], vector: Vector, rings: Rings) -> Finding:
    """The recorded client saves a packet that is damaged; a client had better refuse."""
    ran = _run(program, vector, rings)
    if ran.packet:
        return Finding(UNREADABLE, vector["id"], Verdict.PASS, "it is written, as fwknop does")
    if ran.status is None or ran.status <= 0:
        why = f"it neither refuses nor saves a packet: {ran}"
        return Finding(UNREADABLE, vector["id"], Verdict.FAIL, why)
    return Finding(UNREADABLE, vector["id"], Verdict.PASS, f"it is refused: {ran.said}")


def _run(program: Sequence[str], vector: Vector, rings: Rings) -> Run:
    given = [word.replace(_HOME, str(rings.clients)) for word in vector["argv"][1:]]
    return run(program, [*given, *SAVE])


def _line(
    program: Sequence[str], vector: Vector, rings: Rings, openpgp: OpenPgp, randoms: list[str]
) -> Finding:
    began = int(time.time())
    ran = _run(program, vector, rings)
    ended = int(time.time())
    if not ran.packet:
        return Finding(GROUP, vector["id"], Verdict.FAIL, f"it saves no packet: {ran}")
    credential = credential_of(vector, rings.servers, _signers(vector))
    try:
        decrypted, message = opened(ran.packet, credential, openpgp)
    except SpaError as error:
        why = f"the packet cannot be opened: {error.code.label}"
        return Finding(GROUP, vector["id"], Verdict.FAIL, why)
    randoms.append(message.random)
    wrong = [
        *differences(golden.message_of(vector), message),
        *time_amiss(message.sent_at, began, ended),
        *random_amiss(message),
        *_form_amiss(decrypted, message),
        *_ends_amiss(vector, decrypted, ran.packet),
    ]
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    return Finding(GROUP, vector["id"], verdict, "; ".join(wrong))


def _signers(vector: Vector) -> Signers:
    """Whoever signed the recorded packet, and nobody else."""
    if vector["signer"] is None:
        return Signers(required=False)
    key = golden.gpg_keys()[vector["signer"]]
    return Signers(
        any_state=not key["trusted_by_server"], fingerprints=frozenset({key["fingerprint"]})
    )


def _form_amiss(decrypted: Decrypted, message: Message) -> Iterator[str]:
    if decrypted.plaintext != compose(message):
        yield "the text inside has another form than the C programs give it"


def _ends_amiss(vector: Vector, decrypted: Decrypted, packet: bytes) -> Iterator[str]:
    """Who sent it, and to whom."""
    if vector["signer"] is None and decrypted.signatures:
        yield "it is signed, and nobody asked for that"
    made, recorded = (
        golden.base64_of(PREFIX + text)[_KEY_ID]
        for text in (packet.decode("ascii"), vector["packet"])
    )
    if made != recorded:
        yield f"it is encrypted to the key {made.hex()} instead of {recorded.hex()}"
