"""Everything that touches the world; each implements a port or stands alone."""
