"""Packets to authenticated requests; is told the time."""
