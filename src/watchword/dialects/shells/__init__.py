"""Completion scripts for shells: command lines as values, to the script that completes them."""
