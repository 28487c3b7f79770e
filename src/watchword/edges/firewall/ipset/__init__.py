"""Openings in sets of ipset, which end in the kernel, behind one chain of iptables.

In here: the backend. Not in here: the chain and its tools (tables).
"""
