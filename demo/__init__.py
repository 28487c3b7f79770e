"""The demo: what Watchword does, shown between throw-away hosts on this machine."""
