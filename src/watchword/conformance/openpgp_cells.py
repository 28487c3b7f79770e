"""The cells of the matrix that need GnuPG, and the key rings that they need.

In here: recipients, signers, passphrases, HMAC types, whose signature counts.
Not in here: symmetric packets (catalogue), trying a cell (exchange).

Each cell has an HMAC key of its own unless its name says otherwise, so that a server
with many stanzas runs gpg for the right one only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from watchword.conformance.catalogue import DIGESTS, NO_MAC, NO_MAC_RC, SECONDS
from watchword.conformance.cells import KNOCK, Cell, Expect, Words
from watchword.conformance.golden import gpg_keys
from watchword.conformance.keyrings import clients, hand_over_passphrases, home, servers

GROUP: Final = "GnuPG"
FINGERPRINTS: Final = {name: str(key["fingerprint"]) for name, key in gpg_keys().items()}
_CLIENTS: Final = tuple(name for name in FINGERPRINTS if name.startswith("cli-"))
_SIGNER: Final = "cli-rsa2048"


@contextmanager
def rings(folder: Path) -> Iterator[Words]:
    """The key rings of both sides, as words for ``exchange``; needs gpg."""
    with (
        servers(folder / "server") as server,
        home(folder / "apart", secret=["srv-rsa3072"], public=_CLIENTS) as apart,
        clients(folder / "client") as client,
    ):
        for ring in (server, apart, client):
            hand_over_passphrases(ring)
        yield {"server_ring": f"{server}", "apart": f"{apart}", "client_ring": f"{client}"}


def openpgp() -> tuple[Cell, ...]:
    """All cells, in the order of the table."""
    return (*_keys(), *_macs(), *_signatures(), *_refusals())


def _cell(
    name: str,
    *options: str,
    to: str = "srv-rsa2048",
    by: str | None = _SIGNER,
    rc: tuple[str, ...] = (),
    stanza: tuple[str, ...] = (),
    expect: Expect = Expect.OPENS,
) -> Cell:
    """A packet to one key, signed by another, and a stanza that takes it."""
    signer = ("--gpg-signer-key", FINGERPRINTS[by]) if by else ()
    passphrase = () if _named("GPG_SIGNING_PW", rc) else ("--gpg-no-signing-pw",)
    client = (
        *KNOCK, "--gpg-recipient-key", FINGERPRINTS[to], *signer,
        "--gpg-home-dir", "{client_ring}", *passphrase, *options,
    )  # fmt: skip
    usual = [
        "KEY_BASE64", "GPG_HOME_DIR {server_ring}", f"GPG_DECRYPT_ID {FINGERPRINTS[to]}",
        "GPG_REQUIRE_SIG Y",
    ]  # fmt: skip
    if not _named("GPG_DECRYPT_PW", stanza):
        usual.append("GPG_ALLOW_NO_PW Y")
    if not _named("GPG_REMOTE_ID", stanza) and not _named("GPG_FINGERPRINT_ID", stanza):
        usual.append(f"GPG_FINGERPRINT_ID {FINGERPRINTS[by or _SIGNER]}")
    lines = (*usual, *stanza)
    return Cell(GROUP, name, client, ("KEY_BASE64", *rc), lines, expect=expect)


def _named(name: str, lines: tuple[str, ...]) -> bool:
    return any(line.partition(" ")[0] == name for line in lines)


def _keys() -> Iterator[Cell]:
    yield _cell("RSA-2048 recipient and signer")
    yield _cell("RSA-3072 recipient", to="srv-rsa3072")
    yield _cell("RSA-4096 recipient", to="srv-rsa4096")
    yield _cell("ElGamal-2048 recipient", to="srv-elg2048")
    yield _cell("Ed25519 signer", by="cli-ed25519")
    client_word, server_word = "GPG_SIGNING_PW client-pass-1", "GPG_DECRYPT_PW server-pass-1"
    yield _cell("signer with a passphrase", by="cli-rsa2048-pw", rc=(client_word,))
    yield _cell("recipient with a passphrase", to="srv-rsa2048-pw", stanza=(server_word,))
    yield _cell(
        "both with passphrases",
        to="srv-rsa2048-pw",
        by="cli-rsa2048-pw",
        rc=(client_word,),
        stanza=(server_word,),
    )
    yield _cell("digest inside: sha512", "-m", "sha512")
    yield _cell("with timeout (3)", *SECONDS)


def _macs() -> Iterator[Cell]:
    # Every packet is tried here, so it has a key ring that opens those of no other cell but one.
    apart = (*NO_MAC, "GPG_HOME_DIR {apart}")
    yield _cell("no HMAC", to="srv-rsa3072", rc=NO_MAC_RC, stanza=apart)
    for digest in DIGESTS:
        option, line = ("--hmac-digest-type", digest), (f"HMAC_DIGEST_TYPE {digest}",)
        yield _cell(f"HMAC {digest}", *option, stanza=line)


def _signatures() -> Iterator[Cell]:
    short = (f"GPG_REMOTE_ID {FINGERPRINTS[_SIGNER][-8:]}",)
    yield _cell("signer by key id", stanza=short)
    both = (f"GPG_FINGERPRINT_ID {FINGERPRINTS[_SIGNER]},{FINGERPRINTS['cli-ed25519']}",)
    yield _cell("several signers allowed", by="cli-ed25519", stanza=both)
    ignoring = ("GPG_IGNORE_SIG_VERIFY_ERROR Y",)
    yield _cell("untrusted signer, errors ignored", by="cli-untrusted", stanza=ignoring)
    off = ("GPG_DISABLE_SIG Y", "GPG_REQUIRE_SIG")
    yield _cell("not signed, signatures disabled", by=None, stanza=off)


def _refusals() -> Iterator[Cell]:
    shut = Expect.SHUT
    yield _cell("not signed", by=None, expect=shut)
    yield _cell("untrusted signer", by="cli-untrusted", expect=shut)
    other = (f"GPG_FINGERPRINT_ID {FINGERPRINTS['cli-ed25519']}",)
    yield _cell("a signer who is not listed", stanza=other, expect=shut)
    both = (
        f"GPG_REMOTE_ID {FINGERPRINTS['cli-ed25519'][-8:]}",
        f"GPG_FINGERPRINT_ID {FINGERPRINTS[_SIGNER]}",
    )
    yield _cell("a signer in one of two lists", stanza=both, expect=shut)
    wrong = ("HMAC_KEY_BASE64 bm9ib2R5IGhhcyB0aGlzIGtleQ==",)
    yield _cell("another HMAC key", rc=wrong, expect=shut)
    yield Cell(
        GROUP,
        "a symmetric packet",
        stanza=_cell("").stanza,
        expect=shut,
    )
    for label, name in (
        ("RSA-1024", "srv-rsa1024"), ("Cv25519", "srv-cv25519"), ("NIST P-256", "srv-nistp256"),
    ):  # fmt: skip
        yield _cell(f"{label} recipient", to=name, expect=Expect.UNSENT)
