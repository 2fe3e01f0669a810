"""README and manual: what they link to and quote is there, and said in one place."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from sstrack_mm.errors import DataError, DocumentedError
from sstrack_mm.evaluation.published import (
    PUBLISHED_METRICS,
    PUBLISHED_TITLES,
    PUBLISHED_TRACKERS,
    published_table,
)
from sstrack_mm.zoo import list_models

ROOT = Path(__file__).resolve().parents[2]
CODE = ('sstrack_mm', 'tools', 'demo')
GENERATED = {'docs/reference/configuration.md', 'docs/reference/commands.md'}
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *ROOT.glob('*.md'),
        *(ROOT / 'docs').rglob('*.md'),
        *(ROOT / 'tools').rglob('*.md'),
        *(ROOT / 'sstrack_mm').rglob('*.md'),
    )
    if '_build' not in path.parts and str(path.relative_to(ROOT)) not in GENERATED
)
OUTPUTS = {'docs/_build/html', 'tools/vot/vot2020/sequences'}
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
PLACE = re.compile(
    r'(?<![\w/.$-])(?:configs|demo|docs|requirements|sstrack_mm|tests|tools)/[\w./-]*\w/?'
)
PLACE_IN_PACKAGE = re.compile(
    r'`((?:datasets|deploy|evaluation|models|structures|tracking|zoo)/[\w./]*\w/?)`'
)


@cache
def anchors(path: Path) -> frozenset[str]:
    """Of the headings of a page, as GitHub and MyST make them."""
    text = re.sub(r'(?ms)^```.*?^```', '', path.read_text())
    titles = re.findall(r'(?m)^#+ (.+)$', text)
    plain = (re.sub(r'[^\w\- ]', '', title.lower()) for title in titles)
    return frozenset(title.strip().replace(' ', '-') for title in plain)


@pytest.mark.parametrize('page', PAGES)
def test_links(page):
    """Files and anchors; pages that the build makes are checked by the build."""
    path = ROOT / page
    assert '[](' not in path.read_text()  # it is no text where no site is built
    for link in LINK.findall(path.read_text()):
        if '://' in link or link.startswith('mailto:'):
            continue
        name, _, anchor = link.partition('#')
        target = (path.parent / name).resolve() if name else path
        if str(target.relative_to(ROOT)) in GENERATED:
            continue
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize('page', PAGES)
def test_named_files(page):
    text = (ROOT / page).read_text()
    places = {ROOT / found for found in PLACE.findall(text) if found not in OUTPUTS}
    places |= {ROOT / 'sstrack_mm' / found for found in PLACE_IN_PACKAGE.findall(text)}
    missing = [str(place) for place in places if not place.exists()]
    assert not missing


def test_readme_is_short_and_shows_the_published_table():
    text = (ROOT / 'README.md').read_text()
    assert len(text.splitlines()) <= 120
    shown = re.search(
        r'(?s)<!-- published: .*? -->\n\n(.*?)\n\n<!-- /published -->', text
    )
    assert shown[1] == published_table()


def test_the_zoo_quotes_the_published_numbers():
    models = list_models()
    for tracker in PUBLISHED_TRACKERS:
        model = models.get(tracker.name.lower())
        for result in model.results if model else ():
            dataset = {'LaSOT extension': 'LaSOT ext', 'OTB100': 'OTB'}.get(
                result['Dataset'], result['Dataset']
            )
            (key,) = (k for k, title in PUBLISHED_TITLES.items() if title == dataset)
            name = {'auc': 'Success AUC', 'ao': 'AO', 'eao': 'EAO'}[
                PUBLISHED_METRICS[key]
            ]
            assert result['Metrics'][name] == tracker.values[key]


@pytest.mark.parametrize(
    ('question', 'page', 'answer'),
    [
        ('Track my phone video', 'get_started/track.md', 'demo/track_video.py'),
        ('Train on my unlabelled footage', 'guides/own_data.md', 'SSTRACK_VIDEO_ROOT='),
        ('Reproduce SSTrack-B256', 'guides/train.md', 'configs/sstrack_b256.py 2'),
        ("Why is my AUC different from PyTracking's?", 'guides/evaluate.md', 'AUC'),
        ('Add a loss', 'extend.md', 'examples/loss.py'),
        ('Run on 64 GPUs', 'guides/scale.md', 'WORK_DIR 64'),
        ('Which files may I trust?', 'troubleshooting.md', 'weights_only=True'),
    ],
)
def test_front_page_answers_in_a_click(question, page, answer):
    front = (ROOT / 'docs' / 'index.md').read_text()
    (link,) = re.findall(rf'\[{re.escape(question)}\]\(([^)#]+)', front)
    assert link == page
    assert answer in (ROOT / 'docs' / page).read_text()


class TestTroubleshooting:
    """The page is made of what the code says."""

    @pytest.fixture(scope='class')
    def page(self):
        return ROOT / 'docs' / 'troubleshooting.md'

    @pytest.fixture(scope='class')
    def said(self):
        """All text in the code."""
        return '\n'.join(
            node.value
            for folder in CODE
            for path in (ROOT / folder).rglob('*.py')
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )

    def test_each_class_has_a_section(self, page):
        pattern = re.compile(r'(?m)^class (\w+)\((\w+)')
        bases = {
            name: base
            for path in (ROOT / 'sstrack_mm').rglob('*.py')
            for name, base in pattern.findall(path.read_text())
        }

        def is_documented(name):
            return (
                name == 'DocumentedError' or is_documented(bases.get(name))
                if name
                else False
            )

        classes = [n for n in bases if n != 'DocumentedError' and is_documented(n)]
        assert {'DataError', 'CollapseError', 'FullDiskError'} <= set(classes)
        assert {name.lower() for name in classes} <= anchors(page)

    def test_a_message_names_its_section_once(self):
        inner = DataError('no boxes')
        assert str(inner) == 'no boxes (see docs/troubleshooting.md#dataerror)'
        outer = DocumentedError(f'a.txt: {inner}')
        assert (
            str(outer).startswith('a.txt: no boxes (see') and str(outer).count('see') == 1
        )

    def test_quoted_messages_are_said(self, page, said):
        text = page.read_text().partition('## DataError')[2]
        quoted = re.findall(r'(?m)^\| `(.+?)` \|', text)
        assert len(quoted) > 30
        for message in quoted:
            for part in message.split('...'):
                assert part in said, message
