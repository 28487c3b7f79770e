"""Asks others which address they see us under, one module for each way.

Nobody is waited for longer than SECONDS, lookups of names included, and no more
is read than an answer can need. Each function returns an address of the family
that was asked for, or raises HostError (there is no way to the resolver, it
does not answer) or PeerError (it answers something else).
"""
