"""Wiring: walks packets through the rooms."""
