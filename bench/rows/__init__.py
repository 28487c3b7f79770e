"""Every row of the benchmark, in the order in which they are measured and printed.

To add one: write a module with a ``Row`` (or several), and name it here.
"""

from __future__ import annotations

from bench.rows import (
    births,
    client_start,
    connect,
    ends,
    firewalls,
    flood,
    footprint,
    grants,
    knocking,
    latency,
    library,
    modes,
    refused,
    replay,
    restart,
    sniffed,
)
from bench.table import Row

ROWS: tuple[Row, ...] = (
    *latency.ROWS,
    *grants.ROWS,
    *births.ROWS,
    *refused.ROWS,
    *flood.ROWS,
    *sniffed.ROWS,
    *ends.ROWS,
    *replay.ROWS,
    *restart.ROWS,
    *footprint.ROWS,
    *library.ROWS,
    *client_start.ROWS,
    *connect.ROWS,
    *firewalls.ROWS,
    *knocking.ROWS,
    *modes.ROWS,
)
