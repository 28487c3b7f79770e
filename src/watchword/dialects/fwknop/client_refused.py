"""What the original says when its library refuses a field of a packet.

In here: the function of libfko that would have refused it, and the line that is printed.
Not in here: what is refused (wire.spa.composing), building the request (client_request).
"""

from __future__ import annotations

from watchword.errors import OperatorError
from watchword.wire.spa.errors import Code, SpaError

_REMEDIES = {
    "fko_set_username": "choose another user name with -U or SPOOF_USER: letters, digits and -._ "
    "will do",
    "fko_set_timestamp": "see that this machine's clock is right, and what --time-offset-plus and "
    "-minus or TIME_OFFSET make of it",
}
_SETTERS = {
    Code.INVALID_DATA_USER_MISSING: "fko_set_username",
    Code.INVALID_DATA_USER_FIRSTCHAR_VALIDFAIL: "fko_set_username",
    Code.INVALID_DATA_USER_REMCHAR_VALIDFAIL: "fko_set_username",
    Code.INVALID_DATA_MESSAGE_EMPTY: "fko_set_spa_message",
    Code.INVALID_ALLOW_IP: "fko_set_spa_message",
    Code.INVALID_SPA_COMMAND_MSG: "fko_set_spa_message",
    Code.INVALID_SPA_ACCESS_MSG: "fko_set_spa_message",
    Code.INVALID_DATA_NAT_EMPTY: "fko_set_nat_access_str",
    Code.INVALID_SPA_NAT_ACCESS_MSG: "fko_set_nat_access_str",
    Code.INVALID_DATA_TIMESTAMP_VALIDFAIL: "fko_set_timestamp",
    Code.INVALID_DATA_CLIENT_TIMEOUT_NEGATIVE: "fko_set_spa_client_timeout",
}


def complaint(error: SpaError) -> OperatorError:
    """The line that the original prints when its library refuses a field."""
    setter = _SETTERS.get(error.code) or _too_large(error)
    return OperatorError(
        f"fwknop: {setter}: Error {int(error.code)} - {error.code.text}",
        hint=error.detail or _REMEDIES.get(setter, ""),
    )


def _too_large(error: SpaError) -> str:
    if error.code is not Code.DATA_TOO_LARGE:
        return "fko_spa_data_final"
    if "timeout" in error.detail:
        return "fko_set_spa_client_timeout"
    if "user" in error.detail:
        return "fko_set_username"
    return "fko_set_nat_access_str" if "NAT" in error.detail else "fko_set_spa_message"
