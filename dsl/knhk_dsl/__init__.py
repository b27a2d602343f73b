"""The `.knhk` language: parse, check, lower; one module per pass."""
