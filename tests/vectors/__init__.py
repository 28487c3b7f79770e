"""Golden vectors: packets that the real programs made, or refused, and what is in them.

README.md says what is what; ``compare.py`` tells whether these copies are still the originals.
"""
