"""Port knocking: the daemon knockd and the client knock."""
