"""A stand-in for the tracker, and what the short video of the tests is like."""

from types import SimpleNamespace

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
