"""The variables about watching the daemon."""

from __future__ import annotations

import pytest

from tests.fwknopd_files import configure
from watchword.errors import OperatorError


@pytest.mark.parametrize(
    "place", ["127.0.0.1:9101", "127.7.7.7:1", "[::1]:65535", "unix:/run/fwknop/metrics.sock"]
)
def test_metrics_are_served_where_only_this_host_comes(place: str) -> None:
    assert str(configure(f"METRICS_LISTEN {place};\n").settings.metrics) == place


@pytest.mark.parametrize("config", ["", "METRICS_LISTEN NONE\n"])
def test_they_are_not_served_unless_a_place_is_named(config: str) -> None:
    assert configure(config).settings.metrics is None


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("0.0.0.0:9101", "to this host only"),
        ("[::]:9101", "to this host only"),
        ("192.0.2.1:9101", "to this host only"),
        ("[2001:db8::1]:9101", "to this host only"),
        ("::1:9101", "stands in brackets"),
        ("[127.0.0.1]:9101", "stands in brackets"),
        ("localhost:9101", "no address"),
        ("9101", "no place with a port"),
        (":9101", "no address"),
        ("127.0.0.1:0", "from 1 to 65535"),
        ("127.0.0.1:65536", "from 1 to 65535"),
        ("127.0.0.1:99999999999999999999", "from 1 to 65535"),
        ("127.0.0.1:x", "from 1 to 65535"),
        ("127.0.0.1:٣", "from 1 to 65535"),
        ("unix:metrics.sock", "not absolute"),
        (f"unix:/{'x' * 107}", "107 bytes"),
    ],
)
def test_any_other_place_is_refused_with_the_remedy(place: str, why: str) -> None:
    with pytest.raises(OperatorError) as caught:
        configure(f"METRICS_LISTEN {place}\n")
    [complaint] = caught.value.complaints
    assert why in complaint.message
    assert "write unix:/path, 127.0.0.1:port or [::1]:port" in complaint.hint
    assert complaint.place is not None
    assert complaint.place.file == "fwknopd.conf"
