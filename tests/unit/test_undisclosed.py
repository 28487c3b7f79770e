"""What holds a key does not show it, whichever way it is looked at."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import pickle
import pprint
import traceback
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest

from tests.fwknopd_files import configure
from tests.sealing import sealed
from tests.spellings import shown
from tests.values import KEY, MAC_KEY, credential, policy, terms
from watchword.dialects.fwknop import client_gpg
from watchword.dialects.fwknop.client_gpg import GpgWish
from watchword.dialects.fwknop.client_options import parse
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.dialects.fwknop.rcfile_read import read
from watchword.model.crypto import Secret
from watchword.model.openpgp import Keyring, OpenPgpCredential
from watchword.recognise.spa import SpaRecogniser
from watchword.service.client.seal import SymmetricSeal
from watchword.wire.spa.errors import SpaError
from watchword.wire.spa.keyed import Mac
from watchword.wire.spa.opening import Bunch, Lock, unseal
from watchword.wire.spa.openpgp import OpenPgpLock

KEYS = [each.reveal() for each in (KEY, MAC_KEY)]
TEXTS = [b64encode(each).decode("ascii") for each in KEYS]
STANZA = f"SOURCE ANY\nOPEN_PORTS tcp/22\nKEY_BASE64 {TEXTS[0]}\nHMAC_KEY_BASE64 {TEXTS[1]}\n"
RC = f"[default]\nKEY_BASE64 {TEXTS[0]}\nHMAC_KEY_BASE64 {TEXTS[1]}\n"
OPTIONS = ["--key-rijndael", KEYS[0].decode("ascii"), "--key-base64-hmac", TEXTS[1]]


def given() -> Given:
    [section] = read(RC, "rc", "default")
    assert section is not None
    return section.given


def wish() -> GpgWish:
    found = client_gpg.wish(Given(elsewhere={"USE_GPG": "Y", "GPG_RECIPIENT": "somebody"}))
    assert found is not None
    return found


HOLDERS: dict[str, Callable[[], Any]] = {
    "Secret": lambda: KEY,
    "Credential": credential,
    "Mac": lambda: Mac(MAC_KEY, credential().mac_digest),
    "Lock": lambda: Lock(credential()),
    "Bunch": lambda: Bunch([Lock(credential())]),
    "Terms": terms,
    "Policy": policy,
    "SpaRecogniser": lambda: SpaRecogniser(policy()),
    "Configuration": lambda: configure("", STANZA),
    "KeyWord": lambda: KeyWord(KeyForm.BASE64, TEXTS[0]),
    "Given": given,
    "CommandLine": lambda: parse(OPTIONS),
    "SymmetricSeal": lambda: SymmetricSeal(credential()),
    "Keyring": lambda: Keyring(passphrase=KEY),
    "OpenPgpCredential": lambda: OpenPgpCredential(Keyring(passphrase=KEY), mac_key=MAC_KEY),
    "OpenPgpLock": lambda: OpenPgpLock(HOLDERS["OpenPgpCredential"]()),
    "GpgWish's Keyring": lambda: wish().keyring(KEYS[0]),
}


def as_dictionary(holder: Any) -> object:
    is_value = dataclasses.is_dataclass(holder) and not isinstance(holder, type)
    return dataclasses.asdict(holder) if is_value else vars(type(holder))


def with_locals(holder: object) -> str:
    """What a crash report says that shows the variables of every frame."""
    try:
        _stumble(holder)
    except ZeroDivisionError as error:
        return "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    raise AssertionError


def _stumble(holder: object) -> float:
    several = [holder, {"holder": holder}]
    return len(several) / 0


LOOKS: dict[str, Callable[[Any], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda holder: f"{holder} {holder!r} {holder!a}",
    "in a list": lambda holder: str([holder]),
    "pretty print": pprint.pformat,
    "as a dictionary": as_dictionary,
    "as JSON": lambda holder: json.dumps(as_dictionary(holder), default=str, skipkeys=True),
    "in a traceback with variables": with_locals,
}


def assert_unseen(text: str) -> None:
    found = text.encode("utf-8", "backslashreplace")
    assert [each for key in KEYS for each in shown(key, found)] == []


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("look", LOOKS)
def test_no_look_at_what_holds_a_key_shows_it(holder: str, look: str) -> None:
    assert_unseen(str(LOOKS[look](HOLDERS[holder]())))


def test_a_key_that_is_shown_would_be_noticed() -> None:
    for text in (str(KEYS), *TEXTS, b64encode(b"??" + KEYS[0] + b"?").decode(), KEYS[1].hex()):
        with pytest.raises(AssertionError):
            assert_unseen(f"key={text};")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("holder", HOLDERS)
def test_no_pickle_holds_a_key(holder: str, protocol: int) -> None:
    with contextlib.suppress(TypeError, pickle.PicklingError):
        pickled = pickle.dumps(HOLDERS[holder](), protocol)
        assert [each for key in KEYS for each in shown(key, pickled)] == []


@pytest.mark.parametrize(
    "holder", ["Secret", "Credential", "KeyWord", "Policy", "Lock", "Given", "Keyring"]
)
def test_what_holds_a_key_refuses_to_be_pickled(holder: str) -> None:
    with pytest.raises((TypeError, pickle.PicklingError)):
        pickle.dumps(HOLDERS[holder]())


def test_a_copy_of_a_secret_is_the_secret() -> None:
    assert copy.copy(KEY) is KEY
    assert copy.deepcopy([KEY]) == [KEY]
    with pytest.raises(TypeError, match="not written down"):
        KEY.__getstate__()


def test_a_secret_is_no_text_no_bytes_and_no_sequence() -> None:
    takers: list[Callable[[Any], object]] = [bytes, list, "".join, b"".join, int, memoryview]
    for take in takers:
        with pytest.raises(TypeError):
            take(KEY)


def test_a_secret_compares_by_content_with_secrets_only() -> None:
    assert Secret(b"k") == Secret(b"k")
    assert Secret(b"k") != Secret(b"K")
    assert Secret(b"k") != b"k"
    with pytest.raises(TypeError):
        hash(Secret(b"k"))


def test_keys_as_they_were_written_compare_by_form_and_content() -> None:
    assert KeyWord(KeyForm.TEXT, "k\udcff") == KeyWord(KeyForm.TEXT, "k\udcff")
    assert KeyWord(KeyForm.TEXT, "k") != KeyWord(KeyForm.TEXT, "K")
    assert KeyWord(KeyForm.TEXT, "k") != KeyWord(KeyForm.FILE, "k")


def test_a_refused_packet_s_traceback_with_variables_has_no_key() -> None:
    good = sealed()
    damaged = good[:40] + (b"A" if good[40:41] != b"A" else b"B") + good[41:]
    for payload, lock in (
        (damaged, Lock(credential())),
        (damaged, Lock(credential(mac_key=None))),
        (good, Lock(credential(mac_key=None))),
        (good, Lock(credential(KEY, Secret(b"another")))),
    ):
        with pytest.raises(SpaError) as refused:
            unseal(payload, lock)
        report = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
        assert_unseen("".join(report.format()))
