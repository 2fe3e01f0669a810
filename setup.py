"""Packaging; the metadata is in setup.cfg, the dependencies in requirements/."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MIM_FILES = (
    'configs',
    'tools',
    'model-index.yml',
    'sstrack_mm/zoo/metafile.yml',
    'sstrack_mm/zoo/sstrack_tiny.py',
)
"""What ``mim`` and mmengine look for in ``.mim`` of an installed package."""


class BuildWithMim(build_py):
    """Also put configurations, tools and the index of models into the package."""

    def run(self) -> None:
        """Build, then copy; an editable installation has the repository itself."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, 'sstrack_mm', '.mim')
        shutil.rmtree(target, ignore_errors=True)
        for name in MIM_FILES:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                ignored = shutil.ignore_patterns('__pycache__')
                shutil.copytree(name, place, ignore=ignored)
            else:
                shutil.copyfile(name, place)


setup(cmdclass=dict(build_py=BuildWithMim))
