"""The dialect of fwknop 2.6: its files, its options, its log lines."""
