"""The console of Windows, and any other system without termios.

In here: the same question as in ``terminal``, put by the standard library's ``getpass``.
"""

from __future__ import annotations

import getpass
import warnings

from watchword.edges.prompt import InterruptedAskingError
from watchword.errors import OperatorError


def ask(question: str) -> bytes:
    """Show the question, read one line without echo; UTF-8, without its end of line.

    Raises OperatorError if there is no console, or only one that would show the
    answer, or on Ctrl-C.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(question).encode("utf-8", "surrogatepass")
    except KeyboardInterrupt:
        raise InterruptedAskingError("interrupted, no packet was sent.") from None
    except (EOFError, OSError, getpass.GetPassWarning) as error:
        raise OperatorError(
            "[*] getpasswd() key error.",
            hint="there is no console to ask on; use --stdin, --fd or a key file",
        ) from error
