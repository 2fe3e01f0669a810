"""The command ``tools/analysis_tools/report.py``."""

import base64
import html
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.run_folder import RunFolder, TrackResult, format_boxes

TOOL = 'analysis_tools/report.py'
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')


@pytest.fixture(scope='module')
def tool(root):
    spec = importlib.util.spec_from_file_location('report_tool', root / 'tools' / TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, monkeypatch):
    """Runs the command in this process, which has mmtrack loaded already."""

    def run_here(*args):
        monkeypatch.setattr(sys, 'argv', ['report.py', *map(str, args)])
        tool.main()

    return run_here


@pytest.fixture
def data(tmp_path, synthetic_root):
    """Plain folders of two videos, the results of two trackers on them and on GOT-10k.

    One tracker has the true boxes and scores; the other stays at the first box.
    """
    truth = {}
    for name in ('cat', 'dog'):
        folder = tmp_path / 'videos' / name / 'img'
        folder.mkdir(parents=True)
        for frame in range(1, 16):
            cv2.imwrite(
                str(folder / f'{frame:04d}.jpg'),
                np.full((96, 128, 3), 10 * frame, dtype=np.uint8),
            )
        truth[name] = np.linspace([10, 20, 30, 25], [80, 50, 30, 25], 15)
        (folder.parent / 'groundtruth_rect.txt').write_text(format_boxes(truth[name]))
    write_trackers(tmp_path / 'folder', truth)
    labels = {
        path.parent.name: np.loadtxt(path, delimiter=',')
        for path in synthetic_root.glob('got10k/val/*/groundtruth.txt')
    }
    write_trackers(tmp_path / 'got10k_val', labels)
    return tmp_path


def write_trackers(folder, truth):
    run = RunFolder(folder / 'exact', dict(dataset=folder.name))
    (folder / 'static').mkdir()
    for name, bboxes_xywh in truth.items():
        num_frames = len(bboxes_xywh)
        run.write(
            name,
            TrackResult(
                bboxes_xywh, np.linspace(1, 0.5, num_frames), np.full(num_frames, 0.05)
            ),
        )
        (folder / 'static' / f'{name}.txt').write_text(
            format_boxes(np.repeat(bboxes_xywh[:1], num_frames, axis=0))
        )


def look_with_browser(browser, page, folder):
    """Text and widths of the pictures as a browser has them."""
    copy = folder / 'look.html'
    copy.write_text(
        page.read_text()
        + """<script>addEventListener("load", () => {
        const images = [...document.images].map(image => image.naturalWidth);
        const text = document.querySelector("main").textContent;
        const overflow = document.documentElement.scrollWidth - innerWidth;
        document.body.textContent = JSON.stringify({images, text, overflow}); });
        </script>"""
    )
    output = subprocess.run(
        [
            browser,
            '--headless',
            '--no-sandbox',
            '--disable-gpu',
            '--dump-dom',
            f'--user-data-dir={folder / "browser"}',
            '--window-size=500,900',
            copy.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    body = re.search('<body>(.*)</body>', output.stdout, re.DOTALL)
    assert body, output.stderr
    return json.loads(html.unescape(body[1]))


class PageParser(HTMLParser):
    """Checks that what is opened is closed; collects the text and the pictures."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.images = [], '', []

    def handle_starttag(self, tag, attrs):
        if tag == 'img':
            data = base64.b64decode(dict(attrs)['src'].split('base64,')[1])
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            self.images.append(image.shape[1])
        elif tag not in ('meta', 'br'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def look_with_parser(page):
    """The same from the text of the page."""
    parser = PageParser()
    parser.feed(page.read_text())
    assert parser.open == []
    return dict(images=parser.images, text=parser.text, overflow=0)


def test_page_opens(run, data):
    run(
        data / 'folder' / 'exact',
        data / 'folder' / 'static',
        '--dataset',
        'folder',
        '--root',
        data / 'videos',
        '--names',
        'A & co',
        'B',
        '--out',
        data / 'out',
    )
    page = data / 'out' / 'report.html'
    seen = look_with_parser(page)
    # Three plots, two filmstrips for each tracker, one score plot.
    assert len(seen['images']) == 3 + 2 * 2 + 1
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser:
        in_browser = look_with_browser(browser, page, data)
        assert in_browser['images'] == seen['images']
        assert in_browser['overflow'] <= 0
        seen = in_browser
    for text in (
        'videos',
        '2 sequences, 30 frames',
        'A & co',
        'dog',
        'worst, middle and best sequences',
        'Score against overlap',
    ):
        assert text in seen['text']


def test_several_datasets(run, data, synthetic_root):
    for tracker in ('exact', 'static'):
        (data / tracker).mkdir()
        for dataset in ('folder', 'got10k_val'):
            (data / dataset / tracker).rename(data / tracker / dataset)
    run(
        data / 'exact',
        data / 'static',
        '--dataset',
        'folder',
        'got10k_val',
        '--root',
        data / 'videos',
        synthetic_root / 'got10k',
        '--out',
        data / 'out',
    )
    text = look_with_parser(data / 'out' / 'report.html')['text']
    assert 'All datasets' in text
    assert 'videos (AUC)' in text and 'got10k_val (AUC)' in text
    assert (data / 'out' / 'got10k_val' / 'success.png').exists()


def test_dataset_and_names_are_known(run, data, synthetic_root, monkeypatch):
    """The run says which dataset it was on, and folders which tracker."""
    monkeypatch.setenv('SSTRACK_DATA_ROOT', str(synthetic_root))
    run(data / 'got10k_val' / 'exact', '--out', data / 'out', '--worst', 0)
    text = look_with_parser(data / 'out' / 'report.html')['text']
    assert 'got10k_val' in text and 'exact' in text


def test_names_are_told_apart(tool):
    assert tool.name_trackers([Path('a/lasot'), Path('b/lasot'), Path('c/otb')]) == [
        'a/lasot',
        'b/lasot',
        'c/otb',
    ]
    assert tool.name_trackers([Path('a/x'), Path('b/y')]) == ['x', 'y']
    with pytest.raises(DataError, match='given twice'):
        tool.name_trackers([Path('a/x'), Path('b/../a/x')])


@pytest.mark.parametrize(
    'arguments, message',
    [
        ('static', 'do not say which dataset'),
        ('nowhere --dataset folder --root ../videos', 'nowhere: no such folder'),
        ('static --dataset otb', "no dataset 'otb'"),
        ('static --dataset folder', 'say which by the root'),
        ('static --dataset folder --root nowhere', 'nowhere'),
        ('static --dataset folder --root ../videos --out static/cat.txt', 'cat.txt'),
        (
            'short --dataset folder --root ../videos',
            r'dog: predictions of shape \(3, 4\)',
        ),
        ('part --dataset folder --root ../videos', 'dog'),
    ],
)
def test_bad_data(run, data, monkeypatch, arguments, message):
    monkeypatch.chdir(data / 'folder')
    for name in ('short', 'part'):
        shutil.copytree('static', name)
    lines = Path('short/dog.txt').read_text().splitlines(keepends=True)
    Path('short/dog.txt').write_text(''.join(lines[:3]))
    Path('part/dog.txt').unlink()
    with pytest.raises(DataError, match=message):
        run(*arguments.split())


def test_missing_results_can_be_left_out(run, data, capsys):
    (data / 'folder' / 'static' / 'dog.txt').unlink()
    run(
        data / 'folder' / 'static',
        '--dataset',
        'folder',
        '--root',
        data / 'videos',
        '--missing',
        'skip',
        '--out',
        data / 'out',
    )
    assert (
        'static has no results for 1 of them'
        in (look_with_parser(data / 'out' / 'report.html')['text'])
    )
    assert str(data / 'out' / 'report.html') in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, message',
    [
        ('a --worst -1', 'got -1'),
        ('a b --names c', '1 for 2 trackers'),
        ('a b --names c c', 'the same name twice: c c'),
        ('a --dataset lasot lasot', 'the same name twice'),
        ('a --root x', 'one for each --dataset'),
        ('a --convention vot2018', 'invalid choice'),
    ],
)
def test_bad_arguments(run, capsys, arguments, message):
    with pytest.raises(SystemExit):
        run(*arguments.split())
    assert message in capsys.readouterr().err


def test_help(run_tool):
    result = run_tool(TOOL, '--help')
    assert result.returncode == 0
    assert 'where each lost its target' in result.stdout


def test_a_dataset_of_a_configuration(tool, tmp_path):
    (tmp_path / 'run.json').write_text('{"dataset": "GOT10kSequences"}')
    message = 'made on a GOT10kSequences that a configuration describes; give it by'
    with pytest.raises(DataError, match=message):
        tool.recorded_dataset(tmp_path)
