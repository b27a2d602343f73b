"""What names stand for: in a file, in an expression, in a Python module, as a type."""
