"""Coverage-guided fuzzing of everything that reads what others wrote.

``targets`` says what holds for every input, ``one`` runs one target, and
``python -m fuzz`` (make fuzz) runs them all. docs/fuzzing.md explains.
"""
