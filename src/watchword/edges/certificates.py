"""What to do about a certificate that is not accepted, by the reason that was found.

In here: the remedy.
Not in here: whose certificates are believed (send.tls, whereabouts.web), the complaint.
"""

from __future__ import annotations

from typing import Final

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLCertVerificationError

_OF_TIME: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, ..._HAS_EXPIRED
_OF_NAME: Final = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, ..._IP_ADDRESS_MISMATCH


def remedy(error: SSLCertVerificationError) -> str:
    """What its owner, or whoever asks him, can do."""
    if error.verify_code in _OF_TIME:
        return "see that this machine's clock is right; if it is, the server needs a new one"
    if error.verify_code in _OF_NAME:
        return "name the server as its certificate does"
    return "name the file with the certificate of its authority: --ca-file FILE"
