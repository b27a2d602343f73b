"""Expressions: their types, the built-in functions, and the Python that computes them."""
