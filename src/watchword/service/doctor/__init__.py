"""Finds out why a knock does not work, from both of its ends."""
