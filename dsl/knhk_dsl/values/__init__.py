"""Types and the values that belong to them: as text, as plain JSON, as Python objects."""
