"""What may be uploaded."""

import asyncio

import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.page import uploads
from sstrack_mm.page.uploads import TooLargeError, save


def save_all(chunks, path, name='a.mp4', max_bytes=10_000, save=save):
    async def stream():
        for chunk in chunks:
            yield chunk

    asyncio.run(save(stream(), path, name, max_bytes))


def test_video(video_path, tmp_path):
    data = video_path.read_bytes()
    chunks = [data[i : i + 100] for i in range(0, len(data), 100)]
    save_all(chunks, tmp_path / 'v', max_bytes=len(data))
    assert (tmp_path / 'v').read_bytes() == data


@pytest.mark.parametrize(
    'head',
    [
        b'\x1aE\xdf\xa3' + bytes(60),
        b'RIFF\0\0\0\0AVI LIST',
        b'OggS' + bytes(9),
        (b'\x47' + bytes(187)) * 2,
        (bytes(4) + b'\x47' + bytes(187)) * 2,
    ],
)
def test_other_containers(head, tmp_path):
    save_all([head], tmp_path / 'v', 'a.mkv')
    assert (tmp_path / 'v').exists()


@pytest.mark.parametrize(
    ('name', 'content', 'problem'),
    [
        ('a.mp4', b'#EXTM3U\nfile:///etc/passwd', 'its content does not'),
        ('a.mp4', b'ffconcat version 1.0\nfile /etc/passwd', 'its content does not'),
        ('a.mp4', b'', 'its content does not'),
        ('a.html', b'<html>', 'a.html: not a video; these are: .3gp, .avi'),
        ('mp4', b'\0\0\0\x18ftypmp42', 'mp4: not a video'),
    ],
)
def test_no_video(name, content, problem, tmp_path):
    with pytest.raises(DataError, match=problem):
        save_all([content], tmp_path / 'v', name)
    assert not list(tmp_path.iterdir())


def test_too_large(video_path, tmp_path):
    data = video_path.read_bytes()
    with pytest.raises(TooLargeError, match=r'a.mp4: larger than .* MiB'):
        save_all([data], tmp_path / 'v', max_bytes=len(data) - 1)
    assert not list(tmp_path.iterdir())


def test_no_video_is_known_by_its_first_bytes(tmp_path):
    sent = []

    def chunks():
        for i in range(100):
            sent.append(i)
            yield bytes(200)

    with pytest.raises(DataError, match='its content does not'):
        save_all(chunks(), tmp_path / 'v', max_bytes=10**9)
    assert len(sent) == 2


def test_boxes(tmp_path, monkeypatch):
    boxes = dict(save=uploads.save_boxes)
    save_all([b'0,a,', b'1,2,3,4'], tmp_path / 'v', 'a.CSV', **boxes)
    assert (tmp_path / 'v').read_bytes() == b'0,a,1,2,3,4'
    with pytest.raises(DataError, match=r'a\.zip: not a file of boxes; these are: .csv'):
        save_all([b'0,a,1,2,3,4'], tmp_path / 'v', 'a.zip', **boxes)
    with pytest.raises(TooLargeError, match=r'a\.csv: larger than'):
        save_all([b'0,a,1,2,3,4'], tmp_path / 'v', 'a.csv', max_bytes=10, **boxes)
    monkeypatch.setattr(uploads, 'MAX_BOXES_BYTES', 10)  # they are read at once
    with pytest.raises(TooLargeError, match=r'a\.csv: larger than'):
        save_all([b'0,a,1,2,3,4'], tmp_path / 'v', 'a.csv', **boxes)
    assert not list(tmp_path.iterdir())
