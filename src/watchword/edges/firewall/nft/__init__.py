"""The nftables backend: structure by nft, elements by netlink."""
