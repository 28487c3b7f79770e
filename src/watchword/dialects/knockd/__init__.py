"""knockd's and knock's files, options and log lines."""
