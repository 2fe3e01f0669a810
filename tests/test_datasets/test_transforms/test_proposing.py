"""First boxes for clips without one."""

import numpy as np
import pytest
from mmtrack.registry import TASK_UTILS

from sstrack_mm.datasets.transforms import ProposeTarget, SampleSelfSupervisedClip

pytestmark = pytest.mark.usefixtures('default_scope')
NAN = np.full(4, np.nan)


@pytest.fixture
def proposer():
    """Registers a proposer that notes what it is asked, and names ``box``."""

    class Fake:
        box, asked = np.array([1.0, 2, 3, 4]), []

        def propose(self, rng, frames, places):
            self.asked.append((list(frames), list(places)))
            return self.box

    TASK_UTILS.register_module('Fake', module=Fake)
    yield Fake
    del TASK_UTILS.module_dict['Fake']


def sample(init_xywh, synthesis_prob, **arguments):
    """A clip of twenty frames, each its own number."""
    video = dict(
        video='v', frame_paths=[f'{i}.jpg' for i in range(20)], init_xywh=init_xywh
    )
    clip = SampleSelfSupervisedClip(
        num_search=2, synthesis_prob=synthesis_prob, **arguments
    )(dict(rng=np.random.default_rng(0), videos=[video, video]))
    return clip | dict(frames=list(clip['frame_ids']))


def test_unlabelled_clips_start_anywhere():
    clips = [
        SampleSelfSupervisedClip(num_search=2, max_gap=5, neighbour_gap=3)(
            dict(
                rng=np.random.default_rng(seed),
                videos=[dict(video='v', frame_paths=range(20), init_xywh=NAN)] * 2,
            )
        )
        for seed in range(200)
    ]
    firsts = [clip['frame_ids'][0] for clip in clips]
    assert set(firsts) == set(range(17))
    for clip, first in zip(clips, firsts, strict=True):
        assert clip['frame_ids'][3] == first + 3 and clip['roles']['neighbour'] == [3]
        later = np.array(clip['frame_ids'][1:3])
        assert (later > first).all() and (later <= min(first + 5, 19)).all()
        assert np.isnan(clip['bboxes_xywh']).all()


def test_box_is_asked_for(proposer):
    clip = sample(NAN, 0.0, neighbour_gap=3)
    first, neighbour = clip['frame_ids'][0], clip['frame_ids'][-1]
    done = ProposeTarget(dict(type='Fake'))(clip)
    assert proposer.asked == [([first, neighbour], [f'{first}.jpg', f'{neighbour}.jpg'])]
    np.testing.assert_array_equal(done['bboxes_xywh'][0], proposer.box)
    assert not done['synthetic'] and 'neighbour' not in done['roles']
    for key in ('frames', 'frame_ids', 'frame_paths', 'bboxes_xywh'):
        assert len(done[key]) == 3
    assert 'neighbour' in clip['roles'] and np.isnan(clip['bboxes_xywh']).all()


def test_without_a_box_the_clip_is_composed(proposer):
    proposer.box = None
    assert ProposeTarget(dict(type='Fake'))(sample(NAN, 0.0))['synthetic']


def test_who_needs_no_box_is_not_asked(proposer):
    box = np.array([5.0, 6, 7, 8])
    labelled = ProposeTarget(dict(type='Fake'))(sample(box, 0.0))
    np.testing.assert_array_equal(labelled['bboxes_xywh'][0], box)
    assert ProposeTarget(dict(type='Fake'))(sample(NAN, 1.0))['synthetic']
    assert not proposer.asked
