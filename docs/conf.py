"""Sphinx configuration; build with ``bash tools/build_docs.sh``."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / '_ext'))
# Commands in notebooks are of this Python.
os.environ['PATH'] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ['PATH']]
)
os.environ |= dict(COLUMNS='100', PYTHONWARNINGS='ignore', TQDM_DISABLE='1')

import sstrack_mm  # noqa: E402  (before mmtrack: stands in for missing operators)

project = 'sstrack_mm'
author = 'The sstrack_mm authors'
copyright = f'2026, {author}'
release = version = sstrack_mm.__version__

extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx_copybutton',
    'sphinx_design',
    'generated',
    'mathml',
]
exclude_patterns = ['_build', 'conventions.md', 'published.md', 'zoo.md']
suppress_warnings = ['mystnb.unknown_mime_type']

myst_enable_extensions = ['colon_fence', 'deflist', 'dollarmath']
myst_heading_anchors = 4
nb_execution_mode = 'cache'  # a notebook that has not changed is not executed again
nb_execution_cache_path = str(DOCS / '_build' / '.jupyter_cache')
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = 'remove'  # warnings of libraries; what fails raises

autodoc_typehints = 'description'
autodoc_member_order = 'bysource'
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # else attributes are described twice

html_math_renderer = 'mathml'
html_theme = 'sphinx_book_theme'
html_title = 'sstrack_mm'
html_static_path = ['_static']
html_css_files = ['style.css']
html_theme_options = dict(
    navbar_persistent=[],  # the search is in the sidebar
    show_toc_level=2,
    home_page_in_toc=True,
    navigation_with_keys=False,
)
copybutton_prompt_text = r'\$ |>>> '
copybutton_prompt_is_regexp = True
