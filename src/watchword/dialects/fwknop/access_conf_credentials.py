"""Brings a stanza's keys together, and says what becomes of it without them.

In here: which complaint ends the start, and which only puts a stanza out of use.
Not in here: reading keys (access_conf_keys) and GPG lines (access_conf_gpg).

A stanza without a usable key is fatal; one whose key file is to blame, which
may belong to a user, and one that only lacks the program gpg or its key ring, is out of use.
"""

from __future__ import annotations

from typing import NamedTuple

from watchword.dialects.fwknop import access_conf_gpg as gpg
from watchword.dialects.fwknop.access_conf import Stanza
from watchword.dialects.fwknop.access_conf_gpg import Surroundings
from watchword.dialects.fwknop.access_conf_keys import UnusableError, keyless, keys, remarks
from watchword.dialects.fwknop.lines import shown
from watchword.dialects.fwknop.server_complaints import Complaints
from watchword.errors import Complaint
from watchword.model.crypto import Credential
from watchword.model.openpgp import OpenPgpCredential

_MEND = "mend the key file and reload"
_KNOCKED = (
    "write KNOCK_SOURCE or AUTH_MODE KNOCK into the server's file to hear knocks; or give it a "
    "KEY and no sequence, and have its callers send SPA packets"
)
_INSTALL = "install gnupg (GPG_EXE) and make the key ring (GPG_HOME_DIR)"


class Credentials(NamedTuple):
    """What opens a stanza's packets; at least one of the two is there."""

    symmetric: Credential | None
    openpgp: OpenPgpCredential | None


def credentials(stanza: Stanza, around: Surroundings, complaints: Complaints) -> Credentials | None:
    """The stanza's keys; None if it is out of use or unusable, which has been said then."""
    if stanza.dead:
        _disable(stanza, complaints, stanza.dead, _MEND if stanza.key_file else _KNOCKED)
        return None
    try:
        found = keys(stanza)
        openpgp = gpg.openpgp(stanza, around, found)
        if found.credential is None and openpgp is None:
            raise keyless(stanza)
    except UnusableError as unusable:
        if stanza.key_file is None:
            complaints.add(unusable.complaint)
        else:
            _disable(stanza, complaints, str(unusable.complaint), _MEND)
        return None
    for each in remarks(stanza, found):
        complaints.add(each)
    return _with_gpg(stanza, Credentials(found.credential, openpgp), around, complaints)


def _with_gpg(
    stanza: Stanza, found: Credentials, around: Surroundings, complaints: Complaints
) -> Credentials | None:
    """Both, but without OpenPGP where this machine has no gpg; None if that leaves nothing."""
    if found.openpgp is None:
        return found
    for each in gpg.remarks(stanza, found.openpgp, around):
        complaints.add(each)
    missing = gpg.missing(found.openpgp, around)
    if not missing:
        return found
    if found.symmetric is None:
        _disable(stanza, complaints, missing, _INSTALL)
        return None
    label = shown(stanza.source.value)
    complaints.remark(
        f"OpenPGP packets are not taken for access stanza source: '{label}': {missing}",
        stanza.source.place,
        _INSTALL,
    )
    return Credentials(found.symmetric, None)


def _disable(stanza: Stanza, complaints: Complaints, reason: str, hint: str) -> None:
    place = stanza.key_file or stanza.source.place
    text = f"access stanza #{stanza.number} is out of use: {reason}"
    complaints.add(Complaint(text, place, hint, fatal=False))
