"""What opens and closes: implementations of the port FirewallBackend."""
