"""In front of a service: connections that have to prove whose they are in their first bytes."""
