"""iptables and ip6tables: their programs, our chains in them, and who else changes those."""
