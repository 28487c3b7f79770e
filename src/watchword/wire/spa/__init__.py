"""Single packet authorization: the packets of fwknop's protocol 3.0.0 and its relatives.

One module for each layer, from the outside in: envelope, mac, base64text,
rijndael, digests, fields, grammar. ``opening`` and ``sealing`` walk through
them in the two directions. Everything here is strict: one packet has one
accepted spelling (wire format, chapter 16).
"""
