"""Plays a building whose people share one address, against a real server and a real kernel."""
