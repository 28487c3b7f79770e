"""Openings as rich rules of firewalld, each with a timeout.

In here: the backend, what talks to firewalld, and who ends rules that firewalld cannot.
Not in here: rules of iptables, for which it may be asked as well (tables).
"""
