"""The nftables backend: structure by nft, elements by netlink.

Begin with ``backend``, which puts the parts together. Pure parts: attributes,
layout, guard, jump, elements, known. Parts that touch the kernel: netlink,
survey, commit, openings, connections, conntrack, passes, watch, script.
"""
