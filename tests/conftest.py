"""What every test can rely on."""

from __future__ import annotations

pytest_plugins = ("pytester", "tests.plugins.privileges", "tests.plugins.requirements")
