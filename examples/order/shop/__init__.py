"""The shop of the example: what its workflow has done in Python."""
