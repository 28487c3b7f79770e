"""Judges programs that speak SPA: golden vectors, and live exchanges in throw-away networks.

In here: the vectors (``vectors/README.md`` says what is what), and whatever
holds a program against them.
Not in here: the product itself. It is judged like anybody else's.
"""
