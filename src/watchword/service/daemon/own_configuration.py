"""What the files of fwknopd say, read as a whole; for a daemon, and for questions to them.

In here: everything that is wrong with files as files; holding a policy against its tests.
Not in here: what the files say (dialects.fwknop.translate), how they are reached (own_files).
"""

from __future__ import annotations

from dataclasses import replace

from watchword.dialects.fwknop import translate
from watchword.dialects.fwknop.server_options import ServerOptions
from watchword.dialects.fwknop.translate import Configuration
from watchword.edges import file_rights, patterns
from watchword.edges.programs import SystemPrograms
from watchword.errors import OperatorError
from watchword.model.settings import Settings
from watchword.service import policy_trial
from watchword.service.daemon import named_paths, process
from watchword.service.daemon.own_files import sources


def settings(options: ServerOptions) -> Settings:
    """What is known without the stanzas, also while the files are broken.

    Raises OperatorError: a file was named that is not there.
    """
    named_paths.check_settings(options)
    return translate.settings_only(sources(), options)


def configured(options: ServerOptions) -> Configuration:
    """What the files say, with what is wrong about the files themselves.

    Raises OperatorError with every complaint if one of them is fatal.
    """
    named_paths.check(options)
    configuration = translate.load(sources(), options)
    loose = [
        complaint
        for name in configuration.files
        for complaint in file_rights.permission_complaints(process.started_in() / name)
    ]
    fatal = [each for each in loose if each.fatal]
    if fatal:
        raise OperatorError.of(fatal)
    return replace(configuration, complaints=(*loose, *configuration.complaints))


def proven(options: ServerOptions) -> Configuration:
    """What the files say, and it passes its policy tests: a daemon may run with it.

    Raises OperatorError as ``configured`` does, and with every test that fails.
    """
    configuration = configured(options)
    policy_trial.prove(configuration.policy, configuration.tests, fits)
    return configuration


def fits(pattern: str, command: str) -> bool:
    """Whether a CMD_REGEX matches a command, tried as the daemon does. May raise HostError."""
    return patterns.fits(SystemPrograms(), pattern, command)
