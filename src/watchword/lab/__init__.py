"""Throw-away networks on one machine, for tests, the demo and the benchmark."""
