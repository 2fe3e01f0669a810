"""Packaging; the metadata is in setup.cfg, the dependencies in requirements/."""

from setuptools import setup

setup()
