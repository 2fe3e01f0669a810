"""A stand-in for the tracker, what the short video of the tests is like, and another."""

from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np

NUM_FRAMES, SIZE_WH = 12, (96, 64)


class FakeTracker:
    """Moves a box as it likes; its score is the brightness of the frame."""

    def init_state(self, image_rgb, bbox_xywh):
        status = SimpleNamespace(name='TRACKED')
        return SimpleNamespace(
            bbox_xywh=bbox_xywh, score=1.0, confidence=None, status=status
        )

    def track_batch(self, images_rgb, states):
        return [
            SimpleNamespace(
                bbox_xywh=state.bbox_xywh * 0.9 + 1,
                score=float(image.mean() / 255),
                confidence=None,
                status=state.status,
            )
            for image, state in zip(images_rgb, states, strict=True)
        ]


def write_noise(path, codec, pix_fmt, sound=False, times_ms=range(0, 1200, 100)):
    """A video of noise, whose frames take many bytes, and a tone of a second."""
    with av.open(str(path), 'w') as container:
        video = container.add_stream(codec, rate=10, width=128, height=96)
        video.pix_fmt, video.codec_context.time_base = pix_fmt, Fraction(1, 1000)
        if sound:
            audio = container.add_stream('aac', rate=8000, layout='mono')
            tone = np.sin(np.arange(8000)[None] / 5).astype(np.float32)
            samples = av.AudioFrame.from_ndarray(tone, 'fltp', 'mono')
            samples.rate = 8000
            container.mux([*audio.encode(samples), *audio.encode()])
        for i, time_ms in enumerate(times_ms):
            noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), np.uint8)
            image = cv2.resize(noise, (128, 96), interpolation=cv2.INTER_CUBIC)
            frame = av.VideoFrame.from_ndarray(image, 'rgb24')
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


def damage(path):
    """Zero a part in the middle."""
    data = bytearray(path.read_bytes())
    start, stop = int(0.36 * len(data)), int(0.48 * len(data))
    data[start:stop] = bytes(stop - start)
    path.write_bytes(data)
