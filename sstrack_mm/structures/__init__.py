"""Geometry and records without randomness, configuration or files."""
