"""Firewalls that end nothing by themselves, whose rules say when they end: ipfw, pf, ipf, netsh.

In here: one backend for all of them, a tool for each, and the process that ends rules when the
server is dead. Not in here: iptables, whose warden needs to be told (tables).
"""
