"""The command watchword: one module for each of its subcommands, and what they share."""
