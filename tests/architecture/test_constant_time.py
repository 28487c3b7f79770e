"""Digests, MACs and keys are compared in constant time (``alike``, ``compare_digest``), always.

Every ``==``, ``!=`` and ``in`` of the rooms that hold them is looked at. What counts is the last
word of a name (``mac``, ``mac_key``, ``found_digest``) or of a method that gives such a thing
(``.digest()``, ``.reveal()``). Lengths, kinds and whether there is one at all may be compared,
what is compared with a constant of the module is a kind, and ``Secret`` compares in constant time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src" / "watchword"
PLACES = (
    "wire", "recognise", "spa.py", "model/crypto.py", "model/undisclosed.py",
    "dialects/fwknop/client_keys.py", "dialects/fwknop/client_settings.py",
    "dialects/fwknop/access_conf_keys.py", "dialects/fwknop/stanza_uri.py",
    "dialects/fwknop/stanza_android.py", "dialects/fwknop/stanza_words.py",
)  # fmt: skip
SECRET = {"mac", "macs", "hmac", "digest", "key", "passphrase", "password", "secret", "signature"}
CONTENT = "_octets"  # what a Secret holds
GIVES_SECRET = {
    CONTENT, "digest", "hexdigest", "reveal", "of", "derive", "finalize", "digest_text", "hashed",
}  # fmt: skip
BYTES_METHODS = {"startswith", "endswith", "find", "index", "count", "__eq__"}


def sources() -> Iterator[Path]:
    for place in PLACES:
        path = SRC / place
        assert path.exists(), place
        yield from path.rglob("*.py") if path.is_dir() else [path]


def is_secret(node: ast.expr) -> bool:
    """Whether an expression is a secret or a part of one."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            secret = name == CONTENT or name.lower().rpartition("_")[2] in SECRET
            return secret and not name.isupper()
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in GIVES_SECRET
        case ast.Subscript(value=value) | ast.Starred(value=value) | ast.NamedExpr(value=value):
            return is_secret(value)
        case ast.BinOp(left=left, right=right):
            return is_secret(left) or is_secret(right)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return any(is_secret(part) for part in parts)
    return False


def is_harmless(node: ast.expr) -> bool:
    """A constant, or a value that sees to constant time by itself."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.Call(func=ast.Name(id=name)):
            return name == "Secret"
    return False


def plain_comparisons(source: str) -> Iterator[int]:
    """Line numbers of comparisons that end at the first byte that differs."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, ops=ops, comparators=rest):
                sides = (left, *rest)
                plain = any(
                    isinstance(each, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for each in ops
                )
                if plain and any(map(is_secret, sides)) and not any(map(is_harmless, sides)):
                    yield node.lineno
            case ast.Call(func=ast.Attribute(value=value, attr=name), args=arguments):
                if name in BYTES_METHODS and any(is_secret(each) for each in (value, *arguments)):
                    yield node.lineno
            case ast.Match(subject=subject) if is_secret(subject):
                yield node.lineno


def test_secrets_are_compared_in_constant_time_only() -> None:
    found = [
        f"{path.relative_to(SRC)}:{line}"
        for path in sources()
        for line in plain_comparisons(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "mac == found",
        "self._octets == other._octets",
        "found != self.mac",
        "outer.digest() == mac",
        "digest_text(kind, text) == found",
        "hashed(kind, octets) != found",
        "inner_digest in seen",
        "key[:16] == other",
        "secret.reveal() == other.reveal()",
        "(key, mode) == (other, mode)",
        "payload.endswith(mac)",
        "credential.mac_key == body",
        "hmac.new(a, b).digest() != tail",
    ],
)
def test_a_plain_comparison_of_a_secret_would_be_seen(line: str) -> None:
    assert list(plain_comparisons(line)) == [1]


@pytest.mark.parametrize(
    "line",
    [
        "mac is None",
        "mac.chars == 22",
        "len(key) == 32",
        "hmac.compare_digest(mac, found)",
        "digest_type == 3",
        "mode == other.mode",
        "message.digest in _DIGESTS",
        "Secret(key) == mac_key",
        "payload.startswith(PREFIX)",
        "key_length < 3",
    ],
)
def test_what_is_no_secret_may_be_compared(line: str) -> None:
    assert list(plain_comparisons(line)) == []
