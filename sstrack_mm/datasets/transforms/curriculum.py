"""Other transforms in later epochs."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform, Compose
from mmtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SwitchAtEpoch(BaseTransform):
    """Runs one list of transforms in the first epochs and another one from then on.

    A clip knows its epoch, so workers and resumed runs switch alike.

    Required Keys: epoch

    Args:
        epoch: The first epoch, counted from 0, of ``after``.
        before: Configs of the transforms of the epochs before.
        after: Configs of the transforms from that epoch on.
    """

    def __init__(self, epoch: int, before: Sequence[dict], after: Sequence[dict]) -> None:
        self.epoch = epoch
        self.before = Compose(before)
        self.after = Compose(after)

    def transform(self, results: dict) -> dict | None:
        """Run the transforms of the clip's epoch."""
        return (self.before if results['epoch'] < self.epoch else self.after)(results)
