"""What is held and used, and never written down by accident.

In here: the base of values that carry a key, and how such are compared. Copies of
them are themselves, so ``dataclasses.asdict`` keeps them closed; pickling is refused.
Not in here: what they carry and who may ask for it (crypto, dialects).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Self


class Undisclosed:
    """Shows its class and nothing else. A subclass that says more of itself says no content."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, not shown>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not written down")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__getstate__()


def alike(one: bytes, other: bytes) -> bool:
    """Whether two secrets, digests or MACs are the same. Only their lengths can be timed."""
    if len(one) != len(other):
        return False
    import hmac  # noqa: PLC0415  (loads OpenSSL, and most knocks come to no more than lengths)

    return hmac.compare_digest(one, other)
