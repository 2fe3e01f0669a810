"""Videos that the tests of reading make."""

from fractions import Fraction

import av
import pytest


@pytest.fixture
def write_video(tmp_path):
    """Writes a video and returns its path."""

    def write(
        name,
        images,
        codec='libx264',
        pix_fmt='yuv420p',
        times_ms=None,
        rotation=None,
        gop=5,
        container_options=None,
        **options,
    ):
        path = str(tmp_path / name)
        images = list(images)
        with av.open(path, 'w', options=container_options or {}) as container:
            stream = container.add_stream(codec, rate=25, options=options)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = pix_fmt
            stream.gop_size = gop
            if times_ms is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            if rotation is not None:
                stream.set_display_rotation(*rotation)
            for i, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(image, 'rgb24')
                if times_ms is not None:
                    frame.pts, frame.time_base = times_ms[i], Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
