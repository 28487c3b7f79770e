"""Single packet authorization: the packets of fwknop's protocol 3.0.0 and its relatives.

One module for each layer, from the outside in: envelope, mac, base64text,
rijndael, digests, fields, checks, grammar. ``opening`` and ``sealing`` walk through
them in the two directions; what only one of these needs is apart (``keyed``, ``bunch``;
``libcrypto``, ``composing``). All of that is strict: one packet has one
accepted spelling (wire format, chapter 16).

Beside it: ``building`` (typed values to messages), ``inspecting`` (what can be
said of any bytes), ``leniency`` (reading as libfko reads) and ``perl19``
(writing as perl clients do). None of these is used unless asked for.
"""
