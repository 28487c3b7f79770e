"""Collects everything that is wrong with a set of files, so that it is said at once.

In here: the collection, its order and its bound.
Not in here: what is wrong (the modules that read), printing (service).
"""

from __future__ import annotations

from watchword.errors import Complaint, OperatorError, Place

MOST = 100  # a person reads ten; a broken file of a million lines must not cost memory


class Complaints:
    """Keeps the first hundred fatal complaints and the first hundred others; counts the rest."""

    def __init__(self) -> None:
        self._fatal: list[Complaint] = []
        self._others: list[Complaint] = []
        self._left_out = 0
        self._last: Complaint | None = None
        self._files: dict[str, int] = {}

    @property
    def fatal(self) -> bool:
        return bool(self._fatal)

    @property
    def hopeless(self) -> bool:
        """So much is fatal that what else there is need not be looked for."""
        return len(self._fatal) >= MOST

    def opened(self, file: str) -> None:
        """Complaints are listed in the order in which files were opened."""
        self._files.setdefault(file, len(self._files))

    def add(self, complaint: Complaint) -> None:
        kept = self._fatal if complaint.fatal else self._others
        if len(kept) < MOST:
            kept.append(complaint)
        else:
            self._left_out += 1
            self._last = complaint

    def refuse(self, message: str, place: Place, hint: str = "") -> None:
        """Nothing starts with this."""
        self.add(Complaint(message, place, hint))

    def remark(self, message: str, place: Place, hint: str = "") -> None:
        """Worth saying; what is written is taken as it is, or ignored as the message says."""
        self.add(Complaint(message, place, hint, fatal=False))

    def listed(self) -> tuple[Complaint, ...]:
        """At most a hundred and one, by file and line; fatal ones are the last to be left out."""
        kept = [*self._fatal, *self._others]
        left_out, last = self._left_out, self._last
        if len(kept) > MOST:
            left_out += len(kept) - MOST
            last = kept[-1]
            kept = kept[:MOST]
        kept.sort(key=self._position)
        if left_out and last is not None:
            kept.append(Complaint(f"and {left_out} more", last.place, fatal=False))
        return tuple(kept)

    def settle(self) -> tuple[Complaint, ...]:
        """Everything, unless it is fatal. Raises OperatorError with everything if it is."""
        if self.fatal:
            error = OperatorError.of(self._fatal)
            error.complaints = self.listed()
            raise error
        return self.listed()

    def _position(self, complaint: Complaint) -> tuple[int, int]:
        place = complaint.place or Place("", 0)
        return self._files.get(place.file, len(self._files)), place.line
