"""The manual is built, with its notebooks executed."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest


class Page(HTMLParser):
    """The ids and the links of a page."""

    def __init__(self):
        super().__init__()
        self.ids, self.links = set(), set()

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[key] for key in ('id', 'name') if values.get(key)}
        self.links |= {values[key] for key in ('href', 'src') if values.get(key)}


@pytest.fixture(scope='module')
def site(root, tmp_path_factory):
    """The folder of the site, built with warnings as errors."""
    out = tmp_path_factory.mktemp('site')
    result = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q']
        + ['-b', 'html', root / 'docs', out],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(root)},
    )
    assert result.returncode == 0, result.stderr[-4000:]
    return out


@pytest.fixture(scope='module')
def pages(site):
    """By path, every page of the site."""
    found = {}
    for path in site.rglob('*.html'):
        if '_static' in path.parts:
            continue
        found[path] = Page()
        found[path].feed(path.read_text())
    return found


def test_links(pages):
    """Each leads to a file of the site, and to an anchor that is there."""
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r'(\w+:|//)', link):
                continue
            name, _, anchor = unquote(link).partition('#')
            target = (path.parent / name.partition('?')[0]).resolve() if name else path
            if not target.exists():
                broken.append((path.name, link))
            elif anchor and target in pages and anchor not in pages[target].ids:
                broken.append((path.name, link))
    assert not broken


def test_notebooks_show_what_they_computed(site):
    for name in ('track', 'train_unlabelled', 'evaluate'):
        text = (site / 'notebooks' / f'{name}.html').read_text()
        assert 'cell_output' in text and '<img' in text.partition('cell_output')[2], name


def test_reference_is_complete(site, root):
    """Every class, every command."""
    keys = (site / 'reference' / 'configuration.html').read_text()
    assert all(name in keys for name in ('SSTrackViT', 'CenterMapHead', 'LabelFreeHook'))
    commands = (site / 'reference' / 'commands.html').read_text()
    for folder in ('tools', 'demo'):
        for path in (root / folder).rglob('*.py'):
            if '.parse_args()' in path.read_text():
                assert f'$ python {path.relative_to(root)} --help' in commands
