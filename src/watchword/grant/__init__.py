"""Decide, remember, work out what the firewall should have."""
