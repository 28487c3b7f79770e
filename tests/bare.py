"""Environments that have ``cryptography``, and nothing else that is not Python's own.

In here: lending it from the environment that the tests run in, so that nothing is fetched.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def lend_cryptography(folder: Path) -> None:
    """Make a folder for ``sys.path`` that has ``cryptography`` and what it needs."""
    folder.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            pytest.skip(f"{name} cannot be lent to another environment")
        origin = Path(found.origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (folder / origin.name).symlink_to(origin)
