"""Implementations of the ports ReplayStore and Journal."""
