"""Holds the library, ``watchword.spa``, against every vector that speaks of packets.

In here: what is opened, made again byte for byte, refused with its number, not
written. Needs no privilege, and gpg for OpenPGP packets only.
Not in here: OpenPGP packets (openpgp), programs (clients, servers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from watchword.conformance import golden
from watchword.conformance import openpgp as openpgp_vectors
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import Vector
from watchword.conformance.openpgp import OpenPgp
from watchword.conformance.strictness import (
    BEYOND_2038,
    LENIENT_BUT_SOUND,
    LET_PASS_BY_LIBFKO,
    NO_COUNTERPART,
    NO_VALUE_TO_WRITE,
    NOT_EXPRESSIBLE,
    WRITTEN_ALL_THE_SAME,
    WRITTEN_WITH_ANOTHER_CODE,
)
from watchword.spa import Code, Lock, SpaError, seal, unseal

MADE_BY_C = ("libfko-", "fwknop-client-")
"""Sources whose packets an encoder has to make again; others hold forms that ours never emits."""
_SALT = b"saltsalt"


def judge(openpgp: OpenPgp | None = None) -> Iterator[Finding]:
    """One finding for each vector and demand, in the order of the files.

    ``openpgp`` runs gpg, which the library leaves to its user; without, the OpenPGP packets
    are passed over, and said to be.
    """
    positive = golden.all_of_kind("positive")
    strict = [vector for vector in positive if not vector.get("lenient")]
    lenient = [vector for vector in positive if vector.get("lenient")]
    remade = [vector for vector in strict if vector["source"].startswith(MADE_BY_C)]
    yield from _held("opens", strict, _opens)
    yield from _held("makes again", remade, _makes_again)
    yield from _held("lenient", lenient, _reads_strictly)
    yield from _held("refuses", golden.all_of_kind("negative"), _refuses)
    yield from _held("does not write", golden.load("encode_errors"), _does_not_write)
    yield from openpgp_vectors.judge(openpgp)


def _held(
    group: str, vectors: Sequence[Vector], amiss: Callable[[Vector], str]
) -> Iterator[Finding]:
    for vector in vectors:
        said = amiss(vector)
        yield Finding(group, vector["id"], Verdict.FAIL if said else Verdict.PASS, said)


def _lock(vector: Vector) -> Lock:
    return Lock(golden.credential_of(vector["encryption"], vector["hmac"]))


def _opens(vector: Vector) -> str:
    try:
        opened = unseal(golden.payload_of(vector), _lock(vector))
    except SpaError as error:
        return f"is refused with {error.code.label}"
    if opened.message != golden.message_of(vector):
        return f"the fields are not those recorded: {opened.message}"
    if opened.plaintext.decode("ascii") != vector["plaintext"]:
        return "the plaintext is not the one recorded"
    return ""


def _makes_again(vector: Vector) -> str:
    credential = golden.credential_of(vector["encryption"], vector["hmac"])
    salt = bytes.fromhex(vector["encryption"]["salt_hex"])
    try:
        made = seal(golden.message_of(vector), credential, salt=salt)
    except SpaError as error:
        return f"is not written: {error.code.label}"
    return "" if made == golden.payload_of(vector) else "another packet is made of the same fields"


def _reads_strictly(vector: Vector) -> str:
    wanted = vector["id"] in LENIENT_BUT_SOUND
    try:
        unseal(golden.payload_of(vector), _lock(vector))
    except SpaError as error:
        return f"is refused with {error.code.label}, and is sound" if wanted else ""
    return "" if wanted else "is opened, and has another spelling"


def _refuses(vector: Vector) -> str:
    try:
        credential = golden.credential_of(vector["decode"], vector["decode"]["hmac"])
    except ValueError:
        return "" if vector["id"] in NOT_EXPRESSIBLE else "its keys cannot be expressed"
    try:
        opened = unseal(golden.payload_of(vector), Lock(credential))
    except SpaError as error:
        if (error.code, error.code.label) == (vector["code"], vector["error"]):
            return ""
        return f"is refused with {error.code.label} instead of {vector['error']}"
    if opened.message.sent_at == BEYOND_2038.get(vector["id"]):
        return ""
    return f"is opened; {vector['error']} was to come"


def _does_not_write(vector: Vector) -> str:
    if vector["id"] in NO_COUNTERPART:
        return ""
    others: dict[str, int] = {**WRITTEN_WITH_ANOTHER_CODE, **LET_PASS_BY_LIBFKO}
    wanted = others.get(vector["id"], int(vector["code"]))
    try:
        message = golden.message_to_write(vector["input"])
        credential = golden.credential_to_write(vector["input"])
    except ValueError:
        return "" if vector["id"] in NO_VALUE_TO_WRITE else "its fields cannot be expressed"
    try:
        payload = seal(message, credential, salt=_SALT)
    except SpaError as error:
        if error.code == wanted:
            return ""
        return f"is refused with {error.code.label} instead of {Code(wanted).label}"
    if vector["id"] not in WRITTEN_ALL_THE_SAME:
        return "is written, and nobody can read it"
    same = unseal(payload, Lock(credential)).message == message
    return "" if same else "comes back as something else"
