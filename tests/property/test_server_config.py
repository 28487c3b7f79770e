"""Whatever stands in fwknopd's files: a configuration, or complaints that say where."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.fwknopd_files import CONFIG, HMAC_KEY, KEY, STANZA
from watchword.dialects.fwknop.access_conf_table import KNOWN, SECRETS
from watchword.dialects.fwknop.dump import dump_config
from watchword.dialects.fwknop.fwknopd_conf_table import ALIASES, VARIABLES
from watchword.dialects.fwknop.server_complaints import MOST
from watchword.dialects.fwknop.server_files import Sources
from watchword.dialects.fwknop.server_options import ServerOptions, parse
from watchword.dialects.fwknop.translate import Configuration, load
from watchword.errors import Complaint, OperatorError

WORDS = """
Y N ANY 0 1 30 65536 -1 $X $FWKNOP_RUN_DIR/x /tmp tcp/22 tcp/22,udp/53 tcp/0 1.2.3.4 10.0.0.0/8
10.0.0.0/255.0.0.0 ::1 2001:db8::/32 1/1/2030 2/30/2030 99/99/9999 legacy sha3_512 ALL jump
nftables iptables LOG_LOCAL3 __CHANGEME__ a a=== more.conf . .. access.conf ١٢ ²
9999999999999999999999
"""
VALUES = st.one_of(
    st.sampled_from([*WORDS.split(), KEY, HMAC_KEY, "inet filter input", "a, b, c, 1, d, 1"]),
    st.text(max_size=30),
)


def files(names: list[str]) -> st.SearchStrategy[str]:
    """Text that looks like a file of these names, mostly."""
    line = st.builds(
        lambda name, gap, value, end: f"{name}{gap}{value}{end}",
        st.sampled_from(names),
        st.sampled_from([" ", "\t", "  ", "", ": "]),
        VALUES,
        st.sampled_from(["\n", ";\n", "\r\n", "", "; x\n"]),
    )
    return st.lists(st.one_of(line, line, st.text(max_size=20)), max_size=12).map("".join)


CONFIGS = files(sorted({*VARIABLES, *ALIASES}))
ACCESSES = st.builds(
    lambda first, rest: first + rest,
    st.sampled_from(["", STANZA, "SOURCE ANY\n"]),
    files(["SOURCE", "SOURCE", *sorted(KNOWN)]),
)
OPTIONS = parse(["-c", "fwknopd.conf", "-a", "access.conf", "-O", "more.conf"])


def attempt(
    texts: dict[str, str], options: ServerOptions
) -> tuple[Configuration | None, Sequence[Complaint]]:
    try:
        loaded = load(Sources.of(texts), options)
    except OperatorError as error:
        return None, error.complaints
    return loaded, loaded.complaints


def outcome(config: str, access: str, more: str, options: ServerOptions) -> Configuration | None:
    """Load; check what holds for every complaint; None if it was refused."""
    texts = {"fwknopd.conf": config, "access.conf": access, "more.conf": more}
    loaded, told = attempt(texts, options)
    assert any(each.fatal for each in told) == (loaded is None)
    assert len(told) <= MOST + 1
    for each in told:
        assert each.place is not None
        assert each.place.file
        assert all(line.isprintable() for line in str(each).splitlines())
    return loaded


@given(CONFIGS, ACCESSES, CONFIGS)
@settings(max_examples=300, deadline=None)
@example("$", "SOURCE", "")
@example("KNOCKD_CONF /\U00018cd6\n", "", "")
@example("UDPSERV_PORT 99999\n", STANZA, "")
@example(CONFIG, "SOURCE ANY\nKEY \ud800\n", "")
@example(CONFIG, "SOURCE ANY\n%include access.conf\n", "")
@example(CONFIG, STANZA + "ACCESS_EXPIRE 1/1/0001", "")
@example(CONFIG, STANZA + "ACCESS_EXPIRE_EPOCH 999999999999", "")
def test_any_files_are_a_configuration_or_complaints_with_places(
    config: str, access: str, more: str
) -> None:
    loaded = outcome(config, access, more, OPTIONS)
    if loaded is None:
        return
    assert loaded.settings.sources
    assert [each.number for each in loaded.policy.stanzas] == sorted(
        {each.number for each in loaded.policy.stanzas}
    )
    for terms in loaded.policy.stanzas:
        assert terms.default_seconds <= terms.max_seconds
        assert loaded.policy.terms(terms.number) is terms
    assert dump_config(loaded).endswith("\n")


@given(st.text(max_size=400), st.text(max_size=400))
@settings(max_examples=150, deadline=None)
def test_any_text_at_all_is_a_configuration_or_complaints_with_places(
    config: str, access: str
) -> None:
    outcome(config, access, "", OPTIONS)


# Begins as no word of ours does: a passphrase that is one would be found in our own messages.
PASSPHRASES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=30).map(
    "9q{}".format
)


@given(st.sampled_from(sorted(SECRETS)), PASSPHRASES, ACCESSES)
@settings(max_examples=150, deadline=None)
def test_no_key_is_quoted_whatever_is_wrong_with_the_file(
    name: str, secret: str, access: str
) -> None:
    assume(secret not in access)
    texts = {"fwknopd.conf": CONFIG, "access.conf": f"{STANZA}{name} {secret}\n{access}"}
    loaded, told = attempt(texts, parse(["-c", "fwknopd.conf", "-a", "access.conf"]))
    assert secret not in repr(told)
    assert secret not in repr(loaded)
    assert loaded is None or secret not in dump_config(loaded)


@given(st.lists(st.text(max_size=8)))
def test_any_command_line_is_options_or_an_operator_error(argv: list[str]) -> None:
    with contextlib.suppress(OperatorError):
        assert isinstance(parse(argv), ServerOptions)
