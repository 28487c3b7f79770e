"""The ways in which a packet travels, other than as the whole payload of a UDP datagram.

One module for each: an HTTP request (``http``), a TCP stream (``stream``), IP
packets built whole for raw sending (``headers``); what is said to a proxy before
a packet goes through it (``relays``), and what is answered (``answers``). Nothing
here judges a packet: whatever comes out of a carrier goes to
``watchword.wire.spa.opening.flaw`` like a payload that came by itself.
"""
