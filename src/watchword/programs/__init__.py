"""One short module for each command."""
