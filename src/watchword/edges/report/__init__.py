"""Implementations of the port Reporter."""
