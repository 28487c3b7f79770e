"""access.conf: what the lines of a stanza mean, and what is refused."""

from __future__ import annotations

import time
from datetime import datetime
from ipaddress import ip_address, ip_network

import pytest

from tests.fwknopd_files import GPG, HMAC_KEY, KEY, KEYS, QUIET, STANZA, configure, fatal, remarks
from tests.values import symmetric
from watchword.dialects.fwknop.access_conf_table import REFUSED
from watchword.model.crypto import CipherMode, Digest
from watchword.model.policy import Terms
from watchword.model.services import Service


def terms(lines: str = "", access: str = STANZA) -> Terms:
    [found] = configure("GUARD_SERVICES ALL", access + lines).policy.stanzas
    return found


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("ANY", []),
        ("any", []),
        ("192.0.2.7", ["192.0.2.7/32"]),
        ("192.0.2.7/24", ["192.0.2.0/24"]),
        ("10.0.0.0/255.0.0.0, 192.0.2.1", ["10.0.0.0/8", "192.0.2.1/32"]),
        ("10.1.2.3/255.255.255.255", ["10.1.2.3/32"]),
        ("192.0.2.1 ,192.0.2.2", ["192.0.2.1/32", "192.0.2.2/32"]),
        ("2001:db8::/32,192.0.2.1", ["2001:db8::/32", "192.0.2.1/32"]),
        ("2001:db8::7", ["2001:db8::7/128"]),
        ("192.0.2.1, ANY", []),
        ("0.0.0.0/1", ["0.0.0.0/1"]),
    ],
)
@pytest.mark.parametrize("name", ["SOURCE", "DESTINATION"])
def test_a_list_of_addresses_is_read(name: str, text: str, networks: list[str]) -> None:
    if name == "SOURCE":
        found = terms(access=STANZA.replace("ANY", text)).sources
    else:
        found = terms(f"DESTINATION {text}").destinations
    assert found == tuple(ip_network(each) for each in networks)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("nowhere", "[*] Fatal error parsing IP to int for: nowhere", "write addresses"),
        ("1.2.3", "[*] Fatal error parsing IP to int for: 1.2.3", "write all four numbers"),
        ("192.0.2.1,", "[*] Fatal error parsing IP to int for: ", "write addresses"),
        ("!192.0.2.1", "[*] Fatal error parsing IP to int for: !192.0.2.1", "exclusions"),
        ("fe80::1%eth0", "[*] Fatal error parsing IP to int for: fe80::1%eth0", "zone"),
        ("::ffff:192.0.2.1", "[*] Fatal error parsing IP to int for:", "write 192.0.2.1"),
        ("192.0.2.1/", "[*] Missing mask value.", "bits"),
        ("192.0.2.1/0", "[*] Invalid IP mask str '0'.", "write ANY"),
        ("192.0.2.1/33", "[*] Invalid IP mask str '33'.", "1 to 32"),
        ("192.0.2.1/x", "[*] Invalid IP mask str 'x'.", "1 to 32"),
        ("192.0.2.1/0.0.0.255", "[*] Invalid IP mask str '0.0.0.255'.", "holes"),
        ("192.0.2.1/255.0.255.0", "[*] Invalid IP mask str '255.0.255.0'.", "holes"),
        ("192.0.2.1/0.0.0.0", "[*] Invalid IP mask str '0'.", "write ANY"),
        ("192.0.2.1/255.0.0", "[*] Invalid IP mask str '255.0.0'.", "mask like"),
        ("2001:db8::/129", "[*] Invalid IP mask str '129'.", "1 to 128"),
        ("192.0.2.1/²", "[*] Invalid IP mask str '²'.", "1 to 32"),
    ],
)
@pytest.mark.parametrize("name", ["SOURCE", "DESTINATION"])
def test_a_list_of_addresses_that_cannot_be_read_is_refused(
    name: str, text: str, told: str, hint: str
) -> None:
    as_source = name == "SOURCE"
    access = STANZA.replace("ANY", text) if as_source else f"{STANZA}DESTINATION {text}"
    [said] = fatal("", access)
    assert said.startswith(f"access.conf:{1 if as_source else 6}: {told}")
    assert f"\n[*] Fatal invalid {name} in access stanza" in said
    assert hint in said.rpartition("(")[2]


def test_a_packet_to_an_unknown_address_fits_no_destination() -> None:
    strict = terms("DESTINATION 192.0.2.0/24")
    assert strict.admits_destination(ip_address("192.0.2.9"))
    assert not strict.admits_destination(None)


@pytest.mark.parametrize(
    ("text", "services"),
    [
        ("tcp/22", ["tcp/22"]),
        ("TCP/22,Udp/53", ["tcp/22", "udp/53"]),
        ("tcp/22 , udp/53", ["tcp/22", "udp/53"]),
        ("tcp/22,tcp/22", ["tcp/22"]),
        ("tcp/0,tcp/65535", ["tcp/65535"]),
        ("tcp/0", []),
    ],
)
def test_a_list_of_ports_is_a_set(text: str, services: list[str]) -> None:
    wanted = frozenset(Service.parse(each) for each in services)
    assert terms(f"OPEN_PORTS {text}").open_services == wanted
    assert terms(f"RESTRICT_PORTS {text}").closed_services == wanted


def test_without_open_ports_anything_may_be_asked_for() -> None:
    access = STANZA.replace("OPEN_PORTS tcp/22\n", "")
    assert terms(access=access).open_services is None


@pytest.mark.parametrize("name", ["OPEN_PORTS", "RESTRICT_PORTS"])
@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("tcp22", "[*] Parse error on access port entry: tcp22"),
        ("", "[*] Parse error on access port entry: "),
        ("icmp/8", "[*] Invalid protocol in access port entry: icmp/8"),
        ("tcp/65536", "[*] Invalid port 'tcp/65536' in access request, must be in [0,65535]"),
        ("tcp/-1", "[*] Invalid port 'tcp/-1' in access request, must be in [0,65535]"),
        ("tcp/x", "[*] Invalid port 'tcp/x' in access request, must be in [0,65535]"),
        ("tcp/", "[*] Invalid port 'tcp/' in access request, must be in [0,65535]"),
    ],
)
def test_a_list_of_ports_that_cannot_be_read_is_refused(name: str, entry: str, told: str) -> None:
    [said] = fatal("", f"{STANZA}{name} udp/1,{entry}")
    assert said.startswith(f"access.conf:6: {told}\n[*] Fatal invalid {name} in access stanza (")


@pytest.mark.parametrize(
    ("lines", "default", "most"),
    [
        ("", 30, 300),
        ("FW_ACCESS_TIMEOUT 60", 60, 300),
        ("FW_ACCESS_TIMEOUT 0\nMAX_FW_TIMEOUT 0", 30, 300),
        ("MAX_FW_TIMEOUT 20", 20, 20),
        ("FW_ACCESS_TIMEOUT 60\nMAX_FW_TIMEOUT 45", 45, 45),
        ("FW_ACCESS_TIMEOUT 3600", 3600, 3600),
        ("FW_ACCESS_TIMEOUT 8388608", 8388608, 8388608),
        ("MAX_FW_TIMEOUT 8388608", 30, 8388608),
        ("MAX_ACCESS_TIMEOUT 50", 50, 300),
    ],
)
def test_no_grant_is_longer_than_the_cap(lines: str, default: int, most: int) -> None:
    found = terms(lines)
    assert (found.default_seconds, found.max_seconds) == (default, most)


def test_a_cap_below_the_default_is_remarked_on() -> None:
    [told] = remarks("", STANZA + "FW_ACCESS_TIMEOUT 60\nMAX_FW_TIMEOUT 45")
    assert told.startswith(
        "access.conf:7: Warning: MAX_FW_TIMEOUT < FW_ACCESS_TIMEOUT, honoring MAX_FW_TIMEOUT "
        "for stanza source: 'ANY' (#1)"
    )


@pytest.mark.parametrize("name", ["FW_ACCESS_TIMEOUT", "MAX_FW_TIMEOUT"])
def test_a_timeout_out_of_range_is_refused(name: str) -> None:
    for value in ("-1", "8388609", "9" * 5000):
        [told] = fatal("", f"{STANZA}{name} {value}")
        assert told.startswith(f"access.conf:6: [*] {name} value not in range.")
    assert remarks("", f"{STANZA}{name} 6O")[0].startswith(
        f"access.conf:6: {name} is '6O', taken as 6"
    )


def test_of_a_time_without_digits_the_remedy_is_to_write_some() -> None:
    [told] = remarks("", STANZA + "FW_ACCESS_TIMEOUT soon")
    assert told.endswith("taken as 0 (write FW_ACCESS_TIMEOUT and seconds, in digits)")


@pytest.mark.requirement("2.8")
@pytest.mark.parametrize(
    ("value", "users"),
    [("root", {"root"}), ("alice, bob", {"alice", "bob"}), ("a b", {"a b"})],
)
def test_user_names_are_a_list(value: str, users: set[str]) -> None:
    assert terms(f"REQUIRE_USERNAME {value}").users == users


def test_a_list_of_no_users_is_refused() -> None:
    [told] = fatal("", STANZA + "REQUIRE_USERNAME ,")
    assert told.startswith("access.conf:6: REQUIRE_USERNAME names nobody")


@pytest.mark.requirement("2.8")
@pytest.mark.parametrize(
    ("line", "required"),
    [
        ("REQUIRE_SOURCE_ADDRESS Y", True),
        ("REQUIRE_SOURCE yes", True),
        ("REQUIRE_SOURCE_ADDRESS N", False),
        ("REQUIRE_SOURCE_ADDRESS Y\nREQUIRE_SOURCE N", False),
    ],
)
def test_a_stanza_may_insist_on_a_named_address(line: str, required: bool) -> None:
    assert terms(line).source_required is required


def test_not_insisting_is_remarked_on() -> None:
    access = f"SOURCE ANY\n{KEYS}OPEN_PORTS tcp/22\n"
    [told] = remarks("", access)
    assert told.startswith(
        "access.conf:1: Warning: REQUIRE_SOURCE_ADDRESS not enabled for access stanza source: 'ANY'"
    )
    assert remarks("REQUIRE_SOURCE_ADDRESS Y", access) == []


@pytest.mark.parametrize("value", ["10.0.0.0/8", "maybe", "1"])
def test_a_required_address_that_is_neither_yes_nor_no_is_refused(value: str) -> None:
    [told] = fatal("", f"{STANZA}REQUIRE_SOURCE_ADDRESS {value}")
    assert told.startswith(f"access.conf:6: REQUIRE_SOURCE_ADDRESS is '{value}', neither Y nor N")


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("line", "expires"),
    [
        ("ACCESS_EXPIRE 01/05/2030", "2030-01-05T00:00:00+01:00"),
        ("ACCESS_EXPIRE 7/5/30", "2030-07-05T00:00:00+02:00"),
        ("ACCESS_EXPIRE 3/31/2030", "2030-03-31T00:00:00+01:00"),
        ("ACCESS_EXPIRE 02/29/2028", "2028-02-29T00:00:00+01:00"),
        ("ACCESS_EXPIRE_EPOCH 1900000000", "2030-03-17T18:46:40+01:00"),
        ("ACCESS_EXPIRE_EPOCH 1\nACCESS_EXPIRE 01/05/2030", "2030-01-05T00:00:00+01:00"),
        ("ACCESS_EXPIRE 01/05/2030\nACCESS_EXPIRE_EPOCH 1", "1970-01-01T01:00:01+01:00"),
        ("ACCESS_EXPIRE_EPOCH 0", None),
    ],
)
def test_a_stanza_ends_at_local_midnight_or_at_a_second(line: str, expires: str | None) -> None:
    wanted = datetime.fromisoformat(expires).timestamp() if expires else None
    assert terms(line).expires == wanted


@pytest.mark.parametrize(
    "value", ["tomorrow", "13/01/2030", "02/30/2030", "1/1", "1-1-2030", "1/1/2030x", "0/1/2030"]
)
def test_a_date_that_does_not_exist_is_refused(value: str) -> None:
    [told] = fatal("", f"{STANZA}ACCESS_EXPIRE {value}")
    assert told.startswith(
        f"access.conf:6: [*] Fatal: invalid date value '{value}' (need MM/DD/YYYY) "
        "for access stanza expiration time"
    )


@pytest.mark.parametrize("value", ["never", "-1", "1e9", "1900000000x", "9" * 13])
def test_an_end_that_is_no_number_of_seconds_is_refused(value: str) -> None:
    [told] = fatal("", f"{STANZA}ACCESS_EXPIRE_EPOCH {value}")
    assert "which is no number of seconds" in told


@pytest.mark.parametrize(
    ("value", "mode"),
    [
        ("CBC", CipherMode.CBC), ("cbc", CipherMode.CBC), ("ECB", CipherMode.ECB),
        ("CFB", CipherMode.CFB), ("OFB", CipherMode.OFB), ("CTR", CipherMode.CTR),
        ("legacy", CipherMode.LEGACY),
    ],
)  # fmt: skip
def test_the_cipher_mode_is_read_in_any_case(value: str, mode: CipherMode) -> None:
    assert symmetric(terms(f"ENCRYPTION_MODE {value}")).mode is mode


@pytest.mark.parametrize("digest", list(Digest))
def test_the_digest_of_the_hmac_is_read_in_any_case(digest: Digest) -> None:
    for value in (digest.name, digest.name.lower()):
        assert symmetric(terms(f"HMAC_DIGEST_TYPE {value}")).mac_digest is digest
    assert symmetric(terms()).mac_digest is Digest.SHA256


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "ENCRYPTION_MODE foo",
            "[*] Unrecognized ENCRYPTION_MODE 'foo', use {CBC,CTR,legacy,Asymmetric}",
        ),
        ("ENCRYPTION_MODE Asymmetric", "[*] No keys found for access stanza source: 'ANY'"),
        (
            "HMAC_DIGEST_TYPE foo",
            "[*] HMAC_DIGEST_TYPE argument 'foo' must be one of "
            "{md5,sha1,sha256,sha384,sha512,sha3_256,sha3_512}",
        ),
        (
            "KEY __CHANGEME__",
            "[*] KEY value is not properly set in stanza source 'ANY' "
            "in access file: 'access.conf'",
        ),
        (
            "HMAC_KEY_BASE64 __changeme__",
            "[*] HMAC_KEY_BASE64 value is not properly set in stanza source 'ANY' "
            "in access file: 'access.conf'",
        ),
        (
            "KEY_BASE64 a$b",
            "[*] KEY_BASE64 argument (not shown) doesn't look like base64-encoded data.",
        ),
        ("HMAC_KEY_BASE64 abcde", "[*] base64 decoding returned error for: HMAC_KEY_BASE64"),
        ("KEY " + "k" * 33, "KEY is longer than the 32 bytes that work"),
        ("HMAC_KEY " + "k" * 137, "HMAC_KEY is longer than the 136 bytes that work"),
        (
            f"KEY_BASE64 {HMAC_KEY[:40]}\nHMAC_KEY_BASE64 {HMAC_KEY[:40]}",
            "[*] The encryption passphrase and HMAC key should not be identical "
            "for access stanza source: 'ANY'",
        ),
    ],
)
def test_a_key_or_mode_that_cannot_be_is_refused(line: str, told: str) -> None:
    [said] = fatal("", STANZA + line)
    assert told in said
    assert said.startswith("access.conf:")
    assert KEY[:8] not in said
    assert HMAC_KEY[:8] not in said


def test_keys_as_long_as_they_may_be_are_taken() -> None:
    found = symmetric(terms("KEY " + "k" * 32 + "\nHMAC_KEY " + "m" * 136))
    assert found.key.reveal() == b"k" * 32
    assert found.mac_key is not None
    assert found.mac_key.reveal() == b"m" * 136


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("KEY sixteen bytes is.\n", b"sixteen bytes is."),
        ("KEY sixteen bytes is.\nKEY_BASE64 QUJDREVGR0hJSktMTU5PUA==\n", b"ABCDEFGHIJKLMNOP"),
        ("KEY_BASE64 QUJDREVGR0hJSktMTU5PUA\n", b"ABCDEFGHIJKLMNOP"),
        ("KEY x\nKEY_BASE64 QUJD\nKEY sixteen bytes is.\n", b"sixteen bytes is."),
    ],
)
def test_the_later_of_two_keys_counts(lines: str, key: bytes) -> None:
    assert symmetric(terms(lines)).key.reveal() == key


def test_a_long_key_is_cut_in_legacy_mode_only_and_that_is_said() -> None:
    assert symmetric(terms("KEY 0726354819fbdaceXYZ")).key.reveal() == b"0726354819fbdaceXYZ"
    lines = "KEY 0726354819fbdaceXYZ\nENCRYPTION_MODE legacy\n"
    assert symmetric(terms(lines)).key.reveal() == b"0726354819fbdace"
    [told] = remarks("", STANZA + lines)
    assert told.startswith(
        "access.conf:6: Warning: truncating encryption key in legacy mode to 16 bytes "
        "for access stanza source: 'ANY'"
    )


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("", "[*] No keys found for access stanza source: 'ANY'"),
        ("HMAC_KEY_BASE64 " + HMAC_KEY, "[*] No keys found for access stanza source: 'ANY'"),
        ("GPG_DECRYPT_PW x", "Warning: Must have either sig ID's or fingerprints to check"),
        ("GPG_ALLOW_NO_PW Y", "Warning: Must have either sig ID's or fingerprints to check"),
        ("GPG_ALLOW_NO_PW N", "[*] No keys found for access stanza source: 'ANY'"),
    ],
)
def test_a_stanza_without_a_key_that_works_is_refused(keys: str, told: str) -> None:
    [said] = fatal("", f"SOURCE ANY\n{QUIET}{keys}\n")
    assert said.startswith(f"access.conf:1: {told}")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("KEY sixteen bytes is.", "no HMAC key for access stanza source: 'ANY'"),
        ("KEY short\nHMAC_KEY fdebca9786543120", "KEY is shorter than 16 bytes"),
        ("KEY sixteen bytes is.\nHMAC_KEY short", "HMAC_KEY is shorter than 16 bytes"),
        (f"{KEYS}ENCRYPTION_MODE Asymmetric\n{GPG}", "KEY_BASE64 has no effect"),
    ],
)
def test_a_key_that_had_better_be_otherwise_is_remarked_on(keys: str, told: str) -> None:
    [said] = remarks("", f"SOURCE ANY\n{QUIET}{keys}\n")
    assert told in said
    assert "(" in said


def test_a_key_of_sixteen_bytes_is_not_short() -> None:
    assert (
        remarks("", f"SOURCE ANY\n{QUIET}KEY 0726354819fbdace\nHMAC_KEY fdebca9786543120\n") == []
    )


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_delivered_is_refused_at_the_start(name: str) -> None:
    [told] = fatal("", f"{STANZA}{name} Y")
    assert told.startswith(f"access.conf:6: {name} is not supported by this version (")
    assert "remove the line" in told


@pytest.mark.parametrize("name", ["ENABLE_CMD_EXEC", "ENABLE_CMD_SUDO_EXEC", "CMD_SHELL"])
def test_a_missing_feature_that_is_switched_off_does_no_harm(name: str) -> None:
    assert configure("", f"{STANZA}{name} N").complaints == ()


def test_no_secret_is_in_the_representation_of_a_configuration() -> None:
    access = STANZA + "KEY sixteen bytes is.\n" + "HMAC_KEY another one of those\n"
    assert "sixteen" not in repr(configure("", access))
    assert "another" not in repr(configure("", access))
