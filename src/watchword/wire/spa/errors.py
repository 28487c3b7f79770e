"""SpaError: a packet cannot be opened, or a message cannot be sealed.

In here: the error, which carries one of libfko's numbers, and the way to their table.
Not in here: the table (codes), which check raises what (the module that makes the check).

The table takes as long to load as ten modules, and a packet that can be sealed needs none of
it: ``Code`` is loaded when it is first asked for. So modules that the client starts with say
``errors.Code``, where others import the name.
"""

from __future__ import annotations

from watchword.errors import PeerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from watchword.model.reasons import Reason
    from watchword.wire.spa.codes import Code as Code  # noqa: PLC0414  (others import it from here)
else:

    def __getattr__(name: str) -> object:
        if name != "Code":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from watchword.wire.spa.codes import Code  # noqa: PLC0415  (loads slowly)

        return Code


class SpaError(PeerError):
    """A packet cannot be opened, or a message cannot be sealed.

    The message is libfko's text, with a detail of ours where that says more.
    It never quotes a key or a payload.
    """

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code.text} ({detail})" if detail else code.text)
        self.code = code
        self.detail = detail

    @property
    def reason(self) -> Reason:
        """Our word for it; whatever is wrong inside a decrypted text is MALFORMED."""
        from watchword.wire.spa.reasons import reason_of  # noqa: PLC0415  (readers only)

        return reason_of(self.code)
