"""Stanzas that come from elsewhere, in a URI or as two keys.

Invariants: any text is a stanza of variables that may travel, or an
OperatorError; no key is quoted; what is read is written and read again as the
same; nothing in it can begin another line of the rc file.

An input is the text in UTF-8.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from fuzz.target import Target
from watchword.dialects.fwknop import rcfile, rcfile_write, stanza_android, stanza_uri
from watchword.dialects.fwknop.client_settings import Given
from watchword.errors import OperatorError

_KEY = base64.b64encode(b"thirty-two bytes that are a key!").decode("ascii")
_MAC_KEY = base64.b64encode(b"another one, which is the HMAC's").decode("ascii")
_URI = (
    f"watchword:v1?stanza=gateway&spa-server=gateway.example.org&spa-server-port=62202"
    f"&access=tcp/22,udp/53&allow-ip=resolve&fw-timeout=60&key-base64={_KEY}&use-hmac=Y"
    f"&hmac-key-base64={_MAC_KEY}&hmac-digest-type=sha512"
)


def check(octets: bytes) -> str:
    text = octets.decode("utf-8", "surrogateescape")
    try:
        if stanza_android.looks_like_keys(text):
            _check_written("x", stanza_android.read(text))
            return "keys"
        carried = stanza_uri.read(text)
    except OperatorError as error:
        said = " ".join(f"{each} {each.hint}" for each in error.complaints)
        assert _KEY not in said
        assert _MAC_KEY not in said
        assert said.isprintable()
        return "refused"
    assert _KEY not in repr(carried)
    _check_written(carried.name or "x", carried.given)
    again = stanza_uri.read(stanza_uri.write(carried.name, carried.given))
    assert (again.name, again.given) == (carried.name, carried.given)
    return "a stanza"


def _check_written(name: str, given: Given) -> None:
    """One section with these variables and no others, whatever the values are."""
    wanted = rcfile_write.variables(given)
    said = stanza_uri.fields(given)
    assert said.keys() <= set(stanza_uri.CARRIED)
    assert wanted.keys() - {"RESOLVE_IP_HTTPS"} <= said.keys()
    lines = list(rcfile.lines(rcfile_write.save("", name, wanted, anew=False)))
    assert [each.name for each in lines if each.name] == list(wanted)
    assert [each.section for each in lines if each.head] == [name]


def seeds() -> Iterator[bytes]:
    yield _URI.encode()
    yield b"watchword:v1?stanza=x&access=tcp/22&allow-ip=192.0.2.1&nat-access=10.0.0.1:22"
    yield b"watchword:v1?stanza=x&via=udp,tcp&spoof-user=me&rand-port=Y"
    yield b"watchword:v1?stanza=%C3%A4&use-gpg=Y&gpg-recipient=0123456789ABCDEF&resolvers=stun:h"
    yield f"KEY_BASE64: {_KEY}\nHMAC_KEY_BASE64: {_MAC_KEY}\n".encode()
    yield f"KEY_BASE64:{_KEY} HMAC_KEY_BASE64:{_MAC_KEY}".encode()


_FIELDS = [f"&{each.lower().replace('_', '-')}=".encode() for each in stanza_uri.CARRIED]
TARGET = Target(
    "stanzas",
    "any text is a stanza of what may travel, which is read as it is written, or a mistake",
    check,
    seeds,
    words=(*_FIELDS, b"%0A", b"%20", b"%00", b"%C3%A4", b"=", b"&", b"Y", b"source", b"wget-cmd="),
    longest=900,
)
