"""Makes keys, and saves the options of a run in a stanza of the rc file.

In here: the questions before a key is overwritten, what is printed of new keys.
Not in here: what the file looks like (dialects.fwknop.rcfile_write).

Source: client, sections 8.4 and 10.
"""

from __future__ import annotations

from watchword.dialects.fwknop import client_keys, generated_keys, rcfile
from watchword.dialects.fwknop.client_options import CommandLine
from watchword.dialects.fwknop.client_settings import Given, KeyForm, KeyWord
from watchword.dialects.fwknop.rcfile_write import at_stake, save, variables
from watchword.edges import files, prompt, randomness, send_file
from watchword.errors import HostError, OperatorError
from watchword.model.crypto import Digest
from watchword.record import replace
from watchword.service.client.console import Console
from watchword.service.client.files import exists


def new_keys(line: CommandLine, settings: Given) -> dict[str, str]:
    """Two fresh keys as variables. Raises OperatorError for lengths that cannot be used."""
    digest = settings.mac_digest or Digest.SHA256
    mac_length = line.mac_key_length or generated_keys.MAC_BYTES[digest]
    client_keys.check_new_lengths(line.key_length, mac_length)
    return client_keys.new_key_lines(
        randomness.key_bytes(line.key_length), randomness.key_bytes(mac_length)
    )


def with_keys(given: Given, keys: dict[str, str]) -> Given:
    """A layer whose keys are the new ones."""
    key, mac_key = keys.values()
    return replace(
        given, key=KeyWord(KeyForm.BASE64, key), mac_key=KeyWord(KeyForm.BASE64, mac_key)
    )


def save_stanza(
    path: str, name: str, given: Given, console: Console, *, anew: bool, ask: bool = True
) -> frozenset[str]:
    """Put a layer into a stanza; return the variables that were left as they were.

    Args:
        anew: Do not ask, and take everything else out of the stanza.
        ask: Whether somebody is asked before a key is overwritten.

    Raises OperatorError for what an rc file cannot hold, HostError if it
    cannot be written; the file is then what it was.
    """
    if not rcfile.is_section_name(name):
        raise OperatorError(
            "A stanza of this name cannot be written.", hint="choose another one with -n"
        )
    wanted = variables(given)
    text = files.read_text(path) if exists(path) else ""
    kept = frozenset() if anew or not ask else _left_alone(text, name, wanted)
    wanted = {variable: value for variable, value in wanted.items() if variable not in kept}

    def changed(before: bytes) -> bytes:
        # Read anew: another client may have saved a stanza while somebody was asked.
        now = before.decode("utf-8", "surrogateescape")
        return save(now, name, wanted, anew=anew).encode("utf-8", "surrogateescape")

    files.change_private(path, changed, files.TEXT_LIMIT)
    for variable in sorted(kept):
        console.warn(f"[-] {variable} was not saved: stanza '{name}' keeps what it has.")
    return kept


def _left_alone(text: str, name: str, wanted: dict[str, str]) -> frozenset[str]:
    kept = set()
    for old, new in at_stake(text, name, wanted):
        question = f"Variable '{old}' found in stanza '{name}'. Overwrite [N/y] ? "
        if new not in kept and not prompt.confirm(question):
            kept.add(new)
    return frozenset(kept)


def hand_out(
    keys: dict[str, str], key_file: str | None, saved: str | None, console: Console
) -> None:
    """Put new keys where they were asked for: the rc file has them already, if any."""
    content = "".join(f"{name}: {value}\n" for name, value in keys.items())
    if saved is not None:
        console.say(f"[+] Wrote Rijndael and HMAC keys to rc file: {saved}")
    if key_file is not None:
        try:
            send_file.write_private(key_file, content.encode())
        except HostError as error:
            raise HostError(
                f"Unable to create key gen file: {error}",
                hint=error.hint or "name another file with -K",
            ) from error
        console.say(f"[+] Wrote Rijndael and HMAC keys to: {key_file}")
    if saved is None and key_file is None:
        console.say(content.removesuffix("\n"))
