"""What fwknopd's files are read with, and what of the machine they are held against.

Not in here: which files are read (translate), opening them (edges).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from watchword.errors import OperatorError
from watchword.record import record, replace


def _nobody(name: str) -> None:
    """A machine without users."""


@record
class Sources:
    """Where the text of files comes from."""

    read: Callable[[str], str]
    """A file's text, as ``lines`` describes. Raises OperatorError or HostError."""
    list_folder: Callable[[str], Sequence[str]]
    """Names of a folder's files, any order. Raises OperatorError or HostError."""

    is_folder: Callable[[str], bool]
    is_program: Callable[[str], bool]
    """Whether there is an executable file of that path, or of that name in the usual places."""
    is_private: Callable[[str], bool]
    """Whether nobody but root and this process's own user can write into a folder."""
    user: Callable[[str], tuple[int, int] | None] = _nobody
    """User id and primary group of a user; None: there is no such user."""
    group: Callable[[str], int | None] = _nobody
    """Group id of a group; None: there is no such group."""

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> Sources:
        """Files that are in memory already, by path; users are root and nobody."""

        def read(path: str) -> str:
            if path not in texts:
                raise OperatorError(f"{path} does not exist")
            return texts[path]

        def list_folder(path: str) -> Sequence[str]:
            folder = f"{path.rstrip('/')}/"
            names = [each.removeprefix(folder) for each in texts if each.startswith(folder)]
            if not names:
                raise OperatorError(f"{path} does not exist")
            return [each for each in names if "/" not in each]

        def is_folder(path: str) -> bool:
            return any(each.startswith(f"{path.rstrip('/')}/") for each in texts)

        def is_there(path: str) -> bool:
            return path in texts

        users = {"root": (0, 0), "nobody": (65534, 65534)}
        groups = {"root": 0, "nogroup": 65534}
        return cls(read, list_folder, is_folder, is_there, is_folder, users.get, groups.get)


def noting(sources: Sources, read: dict[str, None]) -> Sources:
    """The same files; the name of each that is read goes into ``read``."""

    def noted(name: str) -> str:
        text = sources.read(name)
        read[name] = None
        return text

    return replace(sources, read=noted)
