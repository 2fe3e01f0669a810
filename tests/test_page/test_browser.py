"""The page in a browser, from the upload to the download."""

import json
import threading
import time

import numpy as np
import pytest
import uvicorn
from browser import CHROMIUM, CHROMIUM_OPTIONS
from playwright.sync_api import expect, sync_playwright
from stand_ins import NUM_FRAMES, SIZE_WH, damage, write_noise

from sstrack_mm.apis import init_model
from sstrack_mm.page.app import create_app
from sstrack_mm.page.offer import Settings

PATIENCE_MS = 60_000


@pytest.fixture(scope='module')
def server(trained, root, video_folder):
    """The server with a small network, and its address."""
    config = root / 'configs' / 'sstrack_tiny_synthetic.py'
    model = init_model(config, str(trained), 'cpu')
    app = create_app(model, Settings(videos=video_folder, max_bytes=1 << 20))
    config = uvicorn.Config(app, port=0, log_level='warning', timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    server.url, server.app = f'http://127.0.0.1:{port}/', app
    yield server
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope='module')
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_OPTIONS
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, server):
    """Opens the page; at the end nothing must have gone wrong in it."""
    problems, contexts = [], []

    def note(message):
        """What the server refuses is said by the page, and its tests look for that."""
        if message.type == 'error' and 'status of 400' not in message.text:
            problems.append(message.text)

    def open_page(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on('pageerror', lambda error: problems.append(str(error)))
        page.on('console', note)
        page.goto(server.url)
        expect(page.locator('#library button')).to_be_visible(timeout=PATIENCE_MS)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


def session_of(page, server):
    """What the server knows of a page."""
    name = page.evaluate("() => sessionStorage.getItem('session')")
    return server.app.state.sessions.get(name)


def upload(page, path):
    page.set_input_files('#file', path)
    page.wait_for_selector('body[data-screen=work]')
    expect(page.locator('#clock')).to_contain_text(f'frame 1 of {NUM_FRAMES}')
    # Nothing can be drawn on a frame that is not there yet.
    page.wait_for_selector('#view[data-frame="0"]')


def point(page, x, y):
    """Where a pixel of the video is on the screen."""
    stage = page.locator('#view').bounding_box()
    scale = min(stage['width'] / SIZE_WH[0], stage['height'] / SIZE_WH[1])
    return (
        stage['x'] + stage['width'] / 2 + (x - SIZE_WH[0] / 2) * scale,
        stage['y'] + stage['height'] / 2 + (y - SIZE_WH[1] / 2) * scale,
    )


def drag(page, start, end):
    page.mouse.move(*point(page, *start))
    page.mouse.down()
    page.mouse.move(*point(page, *end), steps=3)
    page.mouse.up()


def track(page):
    page.click('#track')
    expect(page.locator('#track')).to_have_text('Stop', timeout=PATIENCE_MS)
    expect(page.locator('#track')).to_have_text('Track', timeout=PATIENCE_MS)


def boxes_of(session, number):
    return dict(session.targets[number])


def test_upload_draw_track_correct_and_download(visit, server, video_path):
    page = visit(color_scheme='dark')
    upload(page, video_path)
    session = session_of(page, server)
    expect(page.locator('#hint')).to_contain_text('Drag a box')

    drag(page, (10, 8), (34, 28))
    expect(page.locator('.target')).to_have_count(1)
    np.testing.assert_allclose(boxes_of(session, 1)[0].bbox_xywh, (10, 8, 24, 20), atol=1)
    drag(page, (50, 30), (70, 48))
    expect(page.locator('.target')).to_have_count(2)

    track(page)
    before = boxes_of(session, 1)
    assert sorted(before) == list(range(NUM_FRAMES))
    expect(page.locator('#clock')).to_contain_text(f'frame {NUM_FRAMES} of')
    expect(page.locator('.target .chip').first).to_have_text(
        f'{100 * before[NUM_FRAMES - 1].confidence:.0f}%'
    )

    # The fifth frame is corrected by the keyboard: the box moves right, and grows.
    page.keyboard.press('1')
    page.keyboard.press('Home')
    for _ in range(4):
        page.keyboard.press('ArrowRight')
    page.wait_for_selector('#view[data-frame="4"]')
    page.keyboard.press('e')
    for key in ('ArrowRight', 'ArrowRight', 'Shift+ArrowDown', 'Enter'):
        page.keyboard.press(key)
    expect(page.locator('.target .chip').first).to_have_text('◆ yours')
    corrected = boxes_of(session, 1)
    np.testing.assert_allclose(
        corrected[4].bbox_xywh, np.add(before[4].bbox_xywh, (2, 0, 0, 1)), atol=0.01
    )
    assert corrected[4].by_person
    assert sorted(corrected) == list(range(5))
    track(page)
    after = boxes_of(session, 1)
    assert sorted(after) == list(range(NUM_FRAMES))
    assert all(after[frame] == before[frame] for frame in range(4))

    page.fill('.target >> nth=0 >> input', 'the left one')
    page.keyboard.press('Enter')
    with page.expect_download() as download:
        page.click('#download')
        page.click('text=boxes.jsonl')
    text = download.value.path().read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == 2 * NUM_FRAMES
    mine = [line for line in lines if line['by_person'] and line['frame'] == 4]
    assert [line['target'] for line in mine] == ['the left one']

    page.reload()
    expect(page.locator('.target input').first).to_have_value('the left one')
    page.click('.target >> nth=0 >> [aria-label^=Delete]')
    expect(page.locator('.target')).to_have_count(1)
    page.keyboard.press('Control+z')
    expect(page.locator('.target')).to_have_count(2)


def test_load_boxes(visit, server, video_path, tmp_path):
    """By the keyboard, by the button, by dropping a file."""
    page, choosers = visit(), []
    # Not expect_file_chooser: it may come too late on a busy machine.
    page.on('filechooser', lambda chooser: choosers.append(chooser))

    def choose(path):
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not choosers:
            assert time.monotonic() < deadline
            page.wait_for_timeout(20)
        choosers.pop().set_files(path)

    upload(page, video_path)
    session = session_of(page, server)
    (tmp_path / 'mine.csv').write_text('0,left,10,8,24,20\n0,right,50,30,20,18\n')
    page.keyboard.press('l')
    choose(tmp_path / 'mine.csv')
    expect(page.locator('.target')).to_have_count(2)
    expect(page.locator('.toast')).to_contain_text(
        'mine.csv: 2 targets, 2 boxes of yours.'
    )
    expect(page.locator('.target input').first).to_have_value('left')
    expect(page.locator('.target .chip').first).to_have_text('◆ yours')
    assert boxes_of(session, 1)[0].bbox_xywh == (10, 8, 24, 20)
    track(page)

    # A correction, and a file that cannot be: it changes nothing.
    (tmp_path / 'bad.csv').write_text('5,left,40,20,22,22\n99,left,40,20,22,22\n')
    page.focus('#load')
    page.keyboard.press('Enter')
    choose(tmp_path / 'bad.csv')
    expect(page.locator('.toast').last).to_contain_text(
        f'bad.csv: target left has a box in frame 99, counted from 0; there are '
        f'{NUM_FRAMES}'
    )
    assert len(boxes_of(session, 1)) == NUM_FRAMES
    drop = """(text) => {
        const data = new DataTransfer();
        data.items.add(new File([text], 'better.csv'));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: data }));
    }"""
    page.evaluate(drop, '5,left,40,20,22,22\n')
    expect(page.locator('.toast').last).to_contain_text('better.csv: 1 target, 1 box of')
    assert sorted(boxes_of(session, 1)) == list(range(6))
    assert boxes_of(session, 1)[5].bbox_xywh == (40, 20, 22, 22)

    page.keyboard.press('Control+z')
    page.keyboard.press('Control+z')
    expect(page.locator('.target')).to_have_count(0)
    (tmp_path / 'notes.pdf').write_text('no boxes')
    page.set_input_files('#boxes', tmp_path / 'notes.pdf')
    expect(page.locator('.toast').last).to_contain_text(
        'notes.pdf is not a file of boxes'
    )


def test_what_was_taken_away_is_brought_in_again(visit, server, video_path, tmp_path):
    """As a CVAT file, in another session."""
    page = visit()
    upload(page, video_path)
    drag(page, (10, 8), (34, 28))
    expect(page.locator('.target')).to_have_count(1)
    track(page)
    with page.expect_download() as download:
        page.click('#download')
        page.click('text=cvat.xml')
    download.value.save_as(tmp_path / 'cvat.xml')
    again = visit()
    upload(again, video_path)
    again.set_input_files('#boxes', tmp_path / 'cvat.xml')
    expect(again.locator('.toast')).to_contain_text('cvat.xml: 1 target, 1 box of yours')
    before, after = (
        dict(session_of(visited, server).targets[1]) for visited in (page, again)
    )
    assert before.keys() == after.keys() == set(range(NUM_FRAMES))
    for frame, found in after.items():
        assert found.by_person == (frame == 0)
        np.testing.assert_allclose(
            found.bbox_xywh, before[frame].bbox_xywh, rtol=0, atol=2e-4
        )


def test_frames_that_cannot_be_decoded_are_counted(visit, tmp_path):
    path = write_noise(tmp_path / 'a.mov', 'mjpeg', 'yuvj420p')
    damage(path)
    page = visit()
    upload(page, path)
    drag(page, (20, 20), (60, 50))
    expect(page.locator('.target')).to_have_count(1)
    track(page)
    with page.expect_download() as download:
        page.click('#download')
        page.click('text=track.mp4')
    assert download.value.suggested_filename == 'track.mp4'
    expect(page.locator('.toast').last).to_contain_text(
        'track.mp4: 2 of 12 frames could not be decoded (first at 0.300 s)'
    )


def test_on_a_phone(visit, server, video_path):
    page = visit(viewport=dict(width=390, height=780), has_touch=True, is_mobile=True)
    upload(page, video_path)
    session = session_of(page, server)
    finger = page.context.new_cdp_session(page)
    start, end = point(page, 10, 8), point(page, 34, 28)
    for kind, points in (('touchStart', [start]), ('touchMove', [end]), ('touchEnd', [])):
        finger.send(
            'Input.dispatchTouchEvent',
            dict(type=kind, touchPoints=[dict(x=x, y=y) for x, y in points]),
        )
    expect(page.locator('.target')).to_have_count(1)
    np.testing.assert_allclose(boxes_of(session, 1)[0].bbox_xywh, (10, 8, 24, 20), atol=1)
    for button in ('#track', '#play', '#download', '#theme', '#add', '#load'):
        box = page.locator(button).bounding_box()
        assert box['x'] >= 0 and box['x'] + box['width'] <= 390
        assert box['y'] + box['height'] <= 780
        assert min(box['width'], box['height']) >= 40
        overflow = 'button => button.scrollWidth - button.clientWidth'
        assert page.locator(button).evaluate(overflow) <= 0


def test_light_and_dark(visit):
    page = visit(color_scheme='dark')
    expect(page.locator('html')).to_have_attribute('data-theme', 'dark')
    page.click('#theme')
    expect(page.locator('html')).to_have_attribute('data-theme', 'light')
    page.reload()
    expect(page.locator('html')).to_have_attribute('data-theme', 'light')


def test_what_goes_wrong_is_said(visit, tmp_path):
    page = visit()
    (tmp_path / 'notes.txt').write_text('no video')
    page.set_input_files('#file', tmp_path / 'notes.txt')
    expect(page.locator('.toast')).to_contain_text('notes.txt is not a video')
    (tmp_path / 'long.mp4').write_bytes(bytes(2 << 20))
    page.set_input_files('#file', tmp_path / 'long.mp4')
    expect(page.locator('.toast').last).to_contain_text('larger than 1 MB')
    page.evaluate("""() => {
        const data = new DataTransfer();
        data.items.add(new File(['0,a,1,2,3,4'], 'mine.csv'));
        document.dispatchEvent(new DragEvent('drop', { dataTransfer: data }));
    }""")
    expect(page.locator('.toast').last).to_contain_text('Open the video first')
    page.fill('#url', 'ftp://nowhere')
    page.click('#stream button')
    expect(page.locator('.toast').last).to_contain_text('neither a video of the folder')


def test_a_closed_tab_stops_its_work(visit, server):
    page = visit()
    page.click('#library button')
    page.wait_for_selector('#view[data-frame="0"]')
    drag(page, (10, 8), (34, 28))
    expect(page.locator('.target')).to_have_count(1)
    session = session_of(page, server)
    page.click('#track')
    page.close()
    deadline = time.monotonic() + 30
    while session.running:
        assert time.monotonic() < deadline
        time.sleep(0.05)
