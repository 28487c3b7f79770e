"""The benchmark: our server beside the packaged fwknopd, on this machine, in one run."""
