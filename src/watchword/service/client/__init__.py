"""The client fwknop, from its options to a packet on its way."""
