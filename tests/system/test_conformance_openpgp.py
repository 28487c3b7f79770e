"""What the kit sees in OpenPGP, shown by what is wrong in one known way.

Servers are in test_conformance_servers.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.gpg_homes import fingerprint, patient_gpg
from tests.plugins.privileges import PACKAGED
from watchword.conformance import keyrings, library, openpgp, openpgp_lines
from watchword.conformance.findings import Finding, Verdict
from watchword.conformance.golden import gpg_not_written, gpg_refused, load
from watchword.conformance.openpgp import OpenPgp, Rings
from watchword.model.openpgp import Decrypted, Keyring

pytestmark = [pytest.mark.peer("gpg")]

LINES = {vector["id"]: vector for vector in load("gpg")}
REFUSED = {vector["id"]: vector for vector in gpg_refused()}
OURS = (sys.executable, "-m", "watchword.programs.fwknop")


@pytest.fixture(scope="module")
def rings() -> Iterator[Rings]:
    with openpgp.key_rings() as made:
        yield made


# --- clients -------------------------------------------------------------------

BENT = """
import sys
from watchword.programs import fwknop
argv = sys.argv[1:]
{twist}
sys.exit(fwknop.main(argv))
"""
OTHER, SIGNER = "argv.index('--gpg-recipient-key') + 1", "argv.index('--gpg-signer-key') + 1"
TWISTS = {
    "encrypts to another key": (
        f"argv[{OTHER}] = '{fingerprint('srv-rsa3072')}'",
        "gpg-rsa2048",
        "it is encrypted to the key ",
    ),
    "signs with another key": (
        f"argv[{SIGNER}] = '{fingerprint('cli-ed25519')}'",
        "gpg-rsa2048",
        "the packet cannot be opened: FKO_ERROR_GPGME_BAD_SIGNATURE",
    ),
    "does not sign": (
        "at = argv.index('--gpg-signer-key'); del argv[at:at + 2]",
        "gpg-rsa2048",
        "the packet cannot be opened: FKO_ERROR_GPGME_NO_SIGNATURE",
    ),
    "signs unasked": (
        f"argv += ['--gpg-signer-key', '{fingerprint('cli-rsa2048')}']",
        "gpg-unsigned",
        "it is signed, and nobody asked for that",
    ),
    "has another HMAC": (
        "argv += ['--hmac-digest-type', 'sha1']",
        "gpg-rsa2048-hmac",
        "the packet cannot be opened: FKO_ERROR_INVALID_DATA_HMAC_COMPAREFAIL",
    ),
    "ignores -f": (
        "at = argv.index('-f'); del argv[at:at + 2]",
        "gpg-timeout",
        "type is <MessageType.ACCESS: 1> instead of <MessageType.TIMEOUT_ACCESS: 3>",
    ),
    "is an hour late": (
        "argv += ['--time-offset-minus', '1h']",
        "gpg-rsa2048",
        tuple(f"the time stamp is off by -{late} " for late in range(3400, 3601)),
    ),
    "writes no packet": ("sys.exit('out of order')", "gpg-rsa2048", "it saves no packet: exit"),
}


def client(folder: Path, twist: str) -> tuple[str, ...]:
    path = folder / "client.py"
    path.write_text(BENT.format(twist=twist), "utf-8")
    return (sys.executable, str(path))


def judged(program: tuple[str, ...], rings: Rings, *names: str) -> list[Finding]:
    vectors = [LINES[name] for name in names]
    return list(openpgp_lines.command_lines(program, vectors, rings, patient_gpg()))


@pytest.mark.parametrize(("twist", "line", "said"), TWISTS.values(), ids=TWISTS.keys())
def test_a_client_that_is_wrong_in_one_way_is_told_so(
    tmp_path: Path, rings: Rings, twist: str, line: str, said: str | tuple[str, ...]
) -> None:
    found = judged(client(tmp_path, twist), rings, line)[0]
    assert (found.verdict, found.name) == (Verdict.FAIL, line)
    assert found.detail.startswith(said)


def test_our_client_meets_what_the_others_did_not(rings: Rings) -> None:
    *found, fresh = judged(OURS, rings, *{line for _, line, _ in TWISTS.values()})
    assert {each.verdict for each in found} == {Verdict.PASS}
    assert fresh.detail == f"{len(found)} packets, all different"


@pytest.mark.parametrize("name", [name for name, each in REFUSED.items() if "argv" in each])
def test_a_client_may_refuse_a_recipient_whose_packets_nobody_can_read(
    name: str, rings: Rings
) -> None:
    found = openpgp_lines.unreadable(OURS, REFUSED[name], rings)
    assert found.verdict is Verdict.PASS
    assert found.detail.startswith("it is refused: ")


@pytest.mark.peer("fwknop")
def test_a_client_may_write_such_a_packet_as_fwknop_does(rings: Rings) -> None:
    packaged = [str(shutil.which("fwknop", path=PACKAGED))]
    found = openpgp_lines.unreadable(packaged, REFUSED["gpg-badprefix-cv25519"], rings)
    assert (found.verdict, found.detail) == (Verdict.PASS, "it is written, as fwknop does")


def test_a_client_may_not_act_as_if_it_had_written_it(tmp_path: Path, rings: Rings) -> None:
    program = client(tmp_path, "sys.exit()")
    found = openpgp_lines.unreadable(program, REFUSED["gpg-badprefix-cv25519"], rings)
    assert found.verdict is Verdict.FAIL


# --- libraries -----------------------------------------------------------------


class Bent:
    """Ours, but for one thing."""

    def __init__(self, bend: Callable[[Decrypted], Decrypted]) -> None:
        self._gpg, self._bend = patient_gpg(), bend

    def decrypt(self, keyring: Keyring, message: bytes) -> Decrypted:
        return self._bend(self._gpg.decrypt(keyring, message))

    def encrypt(
        self,
        keyring: Keyring,
        plaintext: bytes,
        recipients: Sequence[str],
        signers: Sequence[str] = (),
    ) -> bytes:
        return self._gpg.encrypt(keyring, plaintext, recipients, signers)


def vouch(opened: Decrypted) -> Decrypted:
    return replace(opened, signatures=tuple(replace(s, trusted=True) for s in opened.signatures))


def forget(opened: Decrypted) -> Decrypted:
    return replace(opened, signatures=())


def mistake(opened: Decrypted) -> Decrypted:
    other = fingerprint("cli-ed25519")
    changed = tuple(replace(s, fingerprint=other, primary="") for s in opened.signatures)
    return replace(opened, signatures=changed)


def failed(one: OpenPgp) -> dict[str, Finding]:
    return {each.name: each for each in openpgp.judge(one) if each.verdict is Verdict.FAIL}


def test_our_library_with_our_gpg_meets_all_fifty() -> None:
    groups = Counter((each.group, each.verdict) for each in openpgp.judge(patient_gpg()))
    assert groups == {
        ("gpg opens", Verdict.PASS): 23,
        ("gpg lenient", Verdict.PASS): 3,
        ("gpg refuses", Verdict.PASS): 17,
        ("gpg does not write", Verdict.PASS): 7,
    }


@pytest.mark.parametrize(
    ("bend", "count", "name", "said"),
    [
        (vouch, 1, "gpg-untrusted", "require good sig: is opened; FKO_ERROR_GPGME_BAD_SIGNATURE"),
        (forget, 30, "gpg-rsa2048", "require good sig: is refused with FKO_ERROR_GPGME_NO_SIGN"),
        (mistake, 20, "gpg-rsa2048", f"require good sig: {fingerprint('cli-ed25519')} signed it"),
    ],
)
def test_a_gpg_that_is_wrong_in_one_way_is_told_so(
    bend: Callable[[Decrypted], Decrypted], count: int, name: str, said: str
) -> None:
    found = failed(Bent(bend))
    assert found[name].detail.startswith(said)
    assert len(found) == count


def test_a_gpg_that_writes_anything_is_told_so(
    monkeypatch: pytest.MonkeyPatch, rings: Rings
) -> None:
    good = patient_gpg().encrypt(Keyring(str(rings.clients)), b"x" * 200, ["srv-rsa2048@"])
    bent = patient_gpg()
    monkeypatch.setattr(bent, "encrypt", lambda *_: good)
    found = failed(bent)
    assert found.keys() == {each["id"] for each in gpg_not_written()}
    assert found["gpg-enc-no-recipient"].detail.startswith("is written; ")


@pytest.mark.parametrize("given", [True, False])
def test_what_is_not_judged_says_why(monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    monkeypatch.setattr(keyrings, "obstacle", lambda: "there is no gpg")
    gpg, why = (patient_gpg(), "there is no gpg") if given else (None, "nobody was given")
    found = [*library.judge(gpg), *openpgp_lines.judge(OURS, gpg)]
    skipped = [each for each in found if each.verdict is Verdict.SKIP]
    assert Counter(each.group for each in skipped) == {"gpg": 50, openpgp_lines.GROUP: 27}
    assert all(each.detail.startswith(why) for each in skipped)
