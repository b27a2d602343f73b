"""Bundled plugins, one module each, written with public hooks only."""
