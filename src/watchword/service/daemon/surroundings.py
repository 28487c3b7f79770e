"""What a daemon finds or makes around itself before anything else: locale, run directory.

In here: both, and that they are told. Not in here: the PID file (process), the state directory
(edges.replay). Source: fwknopd server, sections 1 and 4.
"""

from __future__ import annotations

from watchword.edges import language
from watchword.errors import HostError
from watchword.model.daemon_events import LocaleSet, RunDirectory
from watchword.model.settings import Settings
from watchword.ports import Reporter


def prepare(settings: Settings, reporter: Reporter) -> None:
    """Raises HostError: the run directory cannot be made."""
    set_locale(settings, reporter)
    path = settings.run_dir
    if path.is_dir():
        return
    reporter.report(RunDirectory(str(path), made=False))
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(
            f"cannot make run directory {path}: {error.strerror}",
            hint="set FWKNOP_RUN_DIR to a directory that can be made",
        ) from error
    reporter.report(RunDirectory(str(path), made=True))


def set_locale(settings: Settings, reporter: Reporter) -> None:
    if settings.locale:
        reporter.report(LocaleSet(settings.locale, language.set_locale(settings.locale)))
