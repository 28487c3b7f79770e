"""Openings as rules of iptables and ip6tables, in chains like those of fwknopd.

In here: the backend; and for others that hang into iptables the programs, our
chains in them, and who else changes those.
"""
