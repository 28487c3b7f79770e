"""What holds for every stanza that travels, and for every text that claims to be one."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.test_stanza_uri import KEY, MAC_KEY, URI
from watchword.dialects.fwknop import rcfile, stanza_android, stanza_uri
from watchword.dialects.fwknop.client_settings import Allow, AllowKind, Given, KeyForm, KeyWord
from watchword.errors import OperatorError
from watchword.model.crypto import CipherMode, Digest

values = st.text(min_size=1, max_size=20).filter(rcfile.is_value)
names = st.text(min_size=1, max_size=20).filter(rcfile.is_section_name)
keys = st.binary(min_size=1, max_size=32).filter(lambda key: b"CHANGEME" not in key)
words = keys.map(lambda key: KeyWord(KeyForm.BASE64, b64encode(key).decode()))
stanzas = st.builds(
    Given,
    server=st.none() | values,
    server_port=st.none() | st.integers(0, 65535),
    access=st.none() | values,
    allow=st.sampled_from(
        [
            None, Allow(AllowKind.SOURCE), Allow(AllowKind.RESOLVE),
            Allow(AllowKind.ADDRESS, "192.0.2.1"), Allow(AllowKind.ADDRESS, "2001:db8::1"),
        ]
    ),
    seconds=st.none() | st.integers(0, 65536),
    user=st.none() | values,
    digest=st.none() | st.sampled_from(Digest),
    mode=st.sampled_from([None, CipherMode.CBC, CipherMode.CTR]),
    key=st.none() | words,
    mac_digest=st.none() | st.sampled_from(Digest),
    nat_port=st.none() | st.integers(0, 65535),
    rand_port=st.none() | st.booleans(),
)  # fmt: skip


@given(names, stanzas)
def test_a_stanza_is_read_as_it_was_written(name: str, settings: Given) -> None:
    uri = stanza_uri.write(name, settings)
    assert uri.isascii()
    assert uri.isprintable()
    assert len(uri) <= stanza_uri.LONGEST
    carried = stanza_uri.read(uri)
    assert (carried.name, carried.given) == (name, settings)


@given(keys, st.none() | keys)
def test_the_android_clients_text_is_read_as_it_was_written(
    key: bytes, mac_key: bytes | None
) -> None:
    found = stanza_android.read(stanza_android.write(key, mac_key))
    assert found.key == KeyWord(KeyForm.BASE64, b64encode(key).decode())
    assert (found.mac_key is None) == (mac_key is None)


@given(st.text(max_size=60), st.integers(0, len(URI)), st.integers(0, 40))
@example("%", 50, 0)
def test_any_text_is_a_stanza_or_a_mistake_that_quotes_no_key(text: str, at: int, cut: int) -> None:
    for uri in (text, URI[:at] + text + URI[at + cut :]):
        for read in (stanza_uri.read, stanza_android.read):
            try:
                told = repr(read(uri))
            except OperatorError as error:
                told = " ".join(f"{each} {each.hint}" for each in error.complaints)
            assert KEY[:20] not in told
            assert MAC_KEY[:20] not in told
