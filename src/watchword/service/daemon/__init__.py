"""The server fwknopd: what keeps running, and what starts it."""
