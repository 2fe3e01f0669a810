"""Image files, folders of them, and images in memory."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from sstrack_mm.errors import DataError
from sstrack_mm.frames import images, list_frames, natural_key, open_frames, read_image


@pytest.fixture
def photo():
    """A smooth RGB image whose corners differ."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 0] = np.linspace(0, 250, 60)
    image[:20, :30, 1] = 200
    return image


def save(path, image, **options):
    Image.fromarray(image).save(path, quality=95, **options)
    return path


def assert_alike(image, expected):
    """Images are equal but for what a codec loses."""
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 4


def png(width, height, depth=1):
    """A PNG file that claims a size."""

    def chunk(kind, data):
        checksum = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + checksum

    header = struct.pack('>IIBBBBB', width, height, depth, 0, 0, 0, 0)
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(b''))
        + chunk(b'IEND', b'')
    )


class TestListing:
    def test_natural_order_and_nothing_else(self, tmp_path):
        names = ['10.jpg', '2.jpg', '1.JPG', '3.png', '.h.jpg', 'n.txt', '5.bmp']
        for name in [*names, '4.jpeg', '6.WebP']:
            (tmp_path / name).touch()
        expected = ['1.JPG', '2.jpg', '3.png', '4.jpeg', '5.bmp', '6.WebP', '10.jpg']
        assert list_frames(tmp_path) == expected

    def test_several_numbers(self):
        names = ['b1_2', 'a10_1', 'a2_10', 'a2_9', 'a02_9']
        expected = ['a02_9', 'a2_9', 'a2_10', 'a10_1', 'b1_2']
        assert sorted(names, key=natural_key) == expected

    def test_missing_and_empty(self, tmp_path):
        with pytest.raises(DataError, match='gone: no such folder'):
            list_frames(tmp_path / 'gone')
        with pytest.raises(DataError, match=f'{tmp_path}: no frames'):
            list_frames(tmp_path)


class TestReadImage:
    @pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.bmp', 'a.webp', 'a.tif'])
    def test_as_opencv(self, photo, tmp_path, name):
        """To the bit: training and published boxes depend on it."""
        path = save(tmp_path / name, photo)
        image = read_image(path)
        assert image.shape == (40, 60, 3) and image.dtype == np.uint8
        assert_alike(image, photo)
        np.testing.assert_array_equal(image, cv2.imread(str(path))[..., ::-1])

    def test_grey(self, photo, tmp_path):
        image = read_image(save(tmp_path / 'a.png', photo[..., 0]))
        np.testing.assert_array_equal(image, np.repeat(photo[..., :1], 3, axis=2))

    @pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.webp'])
    def test_orientation(self, photo, tmp_path, name):
        exif = Image.Exif()
        exif[0x0112] = 6  # The camera was held upright: turn it clockwise.
        path = save(tmp_path / name, photo, exif=exif)
        assert_alike(read_image(path), np.rot90(photo, -1))
        assert_alike(read_image(path, orient=False), photo)

    @pytest.mark.parametrize('name', ['a.jpg', 'a.png', 'a.bmp', 'a.webp'])
    @pytest.mark.parametrize('part', [0.01, 0.5, 0.95])
    def test_cut_off(self, photo, tmp_path, name, part):
        noisy = cv2.add(photo, np.random.default_rng(0).integers(0, 9, photo.shape, 'u1'))
        path = save(tmp_path / name, noisy)
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
        with pytest.raises(DataError, match=rf'{name}: cannot be read as an image'):
            read_image(path)

    @pytest.mark.parametrize('content', [None, b'', b'no image'])
    def test_no_image(self, tmp_path, content):
        path = tmp_path / 'bad.jpg'
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=r'bad\.jpg: cannot be read as an image'):
            read_image(path)

    def test_folder(self, tmp_path):
        with pytest.raises(DataError, match='cannot be read as an image .*directory'):
            read_image(tmp_path)

    def test_range(self, tmp_path):
        """Of 16 bits: what is black and what is white is asked for, not guessed."""
        grey = np.array([[0, 29000, 30000, 31000, 65535]], np.uint16)
        path = tmp_path / 'thermal.png'
        cv2.imwrite(str(path), grey)
        with pytest.raises(DataError, match=r'uint16, here 0 to 65535; .*value_range'):
            read_image(path)
        image = read_image(path, value_range=(29000, 31000))
        np.testing.assert_array_equal(image[0, :, 1], [0, 0, 128, 255, 255])
        with pytest.raises(DataError, match=r'\(5, 5\): LOW must be below HIGH'):
            read_image(path, value_range=(5, 5))


class TestSize:
    @pytest.fixture(autouse=True)
    def no_decoding(self, monkeypatch):
        """Memory is taken by the decoder: it is not reached."""
        monkeypatch.setattr(images.cv2, 'imdecode', None)

    def check(self, path, data, size):
        path.write_bytes(data)
        with pytest.raises(DataError, match=size):
            read_image(path)

    def test_png(self, tmp_path):
        self.check(
            tmp_path / 'a.png', png(60000, 60000), 'of 60000x60000 pixels; at most'
        )

    def test_jpeg(self, photo, tmp_path):
        data = save(tmp_path / 'a.jpg', photo).read_bytes()
        size = struct.pack('>HH', *photo.shape[:2])
        assert data.count(size) == 1
        data = data.replace(size, struct.pack('>HH', 50000, 60000))
        self.check(tmp_path / 'a.jpg', data, 'of 60000x50000 pixels; at most')
        self.check(tmp_path / 'named.png', data, 'of 60000x50000 pixels; at most')

    def test_others(self, tmp_path):
        data = bytearray(54)
        data[:2], data[10], data[14] = b'BM', 54, 40
        data[18:26], data[26], data[28] = struct.pack('<ii', 60000, 60000), 1, 24
        self.check(tmp_path / 'a.bmp', bytes(data), r'a\.bmp: too large an image')


class TestSource:
    def test_folder(self, photo, tmp_path):
        for name in ('10.png', '9.png', '.8.png'):
            save(tmp_path / name, photo[: int(name.strip('.')[:-4])])
        (tmp_path / 'notes.txt').touch()
        with open_frames(tmp_path, image_fps=10, scale_images=False) as frames:
            assert (frames.size_wh, frames.fps, frames.num_frames) == ((60, 9), 10, 2)
            assert frames.duration_s == 0.2 and not frames.has_audio
            shown = list(frames)
        assert [frame.image.shape[0] for frame in shown] == [9, 10]
        assert [frame.time_s for frame in shown] == [0, 0.1]
        assert frames.report.lines() == []

    def test_size_changes(self, photo, tmp_path):
        """Later images are scaled to the first, in whose pixels the boxes are."""
        large = np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)
        paths = [save(tmp_path / '0.png', photo), save(tmp_path / '1.png', large)]
        for source in (tmp_path, paths, [photo, large]):
            with open_frames(source) as frames:
                shown = [frame.image for frame in frames]
            np.testing.assert_array_equal(shown, [photo, photo])
            assert frames.report.lines() == [
                '1 of 2 frames have another size than the first and were scaled to it'
            ]

    def test_one_file(self, photo, tmp_path):
        with open_frames(save(tmp_path / 'a.png', photo)) as frames:
            (frame,) = frames
        np.testing.assert_array_equal(frame.image, photo)

    def test_files_keep_their_place(self, photo, tmp_path):
        paths = [save(tmp_path / f'{i}.png', photo) for i in range(4)]
        paths[0].write_bytes(b'')
        paths[2].unlink()
        with open_frames(paths) as frames:
            assert frames.size_wh == (60, 40)
            shown = list(frames)
        assert [frame.image is None for frame in shown] == [True, False, True, False]
        assert [frame.index for frame in shown] == [0, 1, 2, 3]
        assert '2.png: cannot be read as an image' in shown[2].problem
        (line,) = frames.report.lines()
        assert line.startswith('2 of 4 frames could not be decoded') and '0.png' in line

    def test_none_can_be_read(self, tmp_path):
        with pytest.raises(DataError, match=r'none of its 2 frames .*a\.png: cannot be'):
            open_frames([tmp_path / 'a.png', tmp_path / 'b.png'])

    def test_arrays_are_asked_for_one_by_one(self, photo):
        given = []

        def camera():
            for i in range(3):
                given.append(i)
                yield photo[:, ::-1]

        with open_frames(camera()) as frames:
            assert frames.num_frames is None
            for frame in frames:
                assert len(given) == frame.index + 1 and frame.image.flags.c_contiguous
        np.testing.assert_array_equal(frame.image, photo[:, ::-1])

    @pytest.mark.parametrize(
        ('bad', 'given'),
        [
            (None, 'a NoneType'),
            ('tensor', 'a Tensor'),
            (np.zeros((4, 4, 3)), r'a float64 array of shape \(4, 4, 3\)'),
            (np.zeros((4, 4), np.uint8), r'a uint8 array of shape \(4, 4\)'),
            (np.zeros((0, 4, 3), np.uint8), r'an empty array of shape \(0, 4, 3\)'),
        ],
    )
    def test_what_is_no_image(self, photo, bad, given):
        if isinstance(bad, str):
            bad = type('Tensor', (), {})()
        message = rf'frame 1: a frame is an \(H, W, 3\) uint8 array, not {given}'
        with pytest.raises(DataError, match=message), open_frames([photo, bad]) as frames:
            list(frames)

    def test_nothing(self):
        with pytest.raises(DataError, match='the video has no frames'):
            open_frames([])

    def test_stop(self, photo):
        with open_frames([photo] * 5) as frames:
            for frame in frames:
                if frame.index == 2:
                    frames.stop()
        assert frame.index == 2
