"""The clip's epoch alone decides which transforms run."""

import pytest
from mmcv.transforms import BaseTransform
from mmtrack.registry import TRANSFORMS

from sstrack_mm.datasets.clip_dataset import ClipDataset
from sstrack_mm.datasets.synthetic import write_dataset
from sstrack_mm.datasets.transforms import SwitchAtEpoch

pytestmark = pytest.mark.usefixtures('default_scope')


@TRANSFORMS.register_module()
class NoteForTest(BaseTransform):
    """Writes down that it ran."""

    def __init__(self, text):
        self.text = text

    def transform(self, results):
        return results | dict(text=self.text)


SWITCH = dict(
    type='SwitchAtEpoch',
    epoch=2,
    before=[dict(type='NoteForTest', text='early')],
    after=[dict(type='NoteForTest', text='late')],
)


@pytest.mark.parametrize(
    ('epoch', 'text'), [(0, 'early'), (1, 'early'), (2, 'late'), (9, 'late')]
)
def test_switches(epoch, text):
    transform = SwitchAtEpoch(**{k: v for k, v in SWITCH.items() if k != 'type'})
    assert transform(dict(epoch=epoch, key=1)) == dict(epoch=epoch, key=1, text=text)


def test_epoch_comes_from_the_ticket(tmp_path):
    """Without anything being told to the data set: workers need no restart."""
    write_dataset(tmp_path, 2, 3, val_videos=1, test_videos=1)
    reader = dict(
        type='GOT10kSequences', data_root=str(tmp_path / 'got10k'), split='train'
    )
    clips = ClipDataset([reader], [SWITCH])
    assert [clips[0, epoch, 5]['text'] for epoch in range(4)] == [
        'early',
        'early',
        'late',
        'late',
    ]
