"""Hides network services until a caller proves who they are."""

__version__ = "0.1.0"
