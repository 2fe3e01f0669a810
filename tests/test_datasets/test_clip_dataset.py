"""Training clips: their randomness, their one label, and bad samples."""

import logging
import shutil

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmtrack.registry import DATA_SAMPLERS, DATASETS, TRANSFORMS
from torch.utils.data import DataLoader

from sstrack_mm.datasets import ClipDataset, ClipSampler
from sstrack_mm.errors import DataError

pytestmark = pytest.mark.usefixtures('default_scope')


@pytest.fixture
def data_root(synthetic_root, tmp_path):
    """A copy of the videos that a test may spoil."""
    shutil.copytree(synthetic_root / 'got10k', tmp_path / 'got10k')
    return tmp_path / 'got10k'


@pytest.fixture
def build(root):
    """Builds the data set of ``configs/sstrack_b256_got10k.py`` in a folder."""

    def build(data_root, **changes):
        cfg = Config.fromfile(root / 'configs' / 'sstrack_b256_got10k.py')
        dataset_cfg = cfg.train_dataloader.dataset
        for reader in dataset_cfg.datasets:
            reader.data_root = str(data_root)
        return DATASETS.build(dataset_cfg | changes)

    return build


@pytest.fixture
def fake_reader():
    """Registers a reader of three videos without files, and a transform that fails."""

    class FakeSequences:
        num_videos = 3
        good = frozenset({0, 1, 2})

        def __len__(self):
            return self.num_videos

        def __init__(self, tag='a'):
            self.tag = tag

        def clip_source(self, idx):
            return dict(
                video=f'{self.tag}{idx}', frame_paths=['x.jpg'], init_xywh=np.ones(4)
            )

    class Check:
        def __call__(self, results):
            name = results['videos'][0]['video']
            if int(name[1:]) not in FakeSequences.good:
                raise DataError(f'{name} is bad')
            return results

    DATASETS.register_module('FakeSequences', module=FakeSequences)
    TRANSFORMS.register_module('Check', module=Check)
    yield FakeSequences
    del DATASETS.module_dict['FakeSequences'], TRANSFORMS.module_dict['Check']


def fake_dataset(tags='a', **arguments):
    return ClipDataset(
        [dict(type='FakeSequences', tag=tag) for tag in tags],
        [dict(type='Check')],
        **arguments,
    )


def contents(clip):
    """All that a clip holds, to be compared."""
    sample = clip['data_samples']
    tensors = dict(clip['inputs'], bboxes=sample.gt_instances.bboxes)
    if 'search_instances' in sample:
        tensors['search_bboxes'] = sample.search_instances.bboxes
    return {key: value.numpy().tobytes() for key, value in tensors.items()} | dict(
        sample.metainfo
    )


def clips(dataset, epoch=0, number=8, seed=0):
    return [contents(dataset[seed, epoch, i]) for i in range(number)]


class TestRandomness:
    def test_whatever_the_number_of_workers(self, build, data_root):
        dataset = build(data_root)
        sampler = ClipSampler(dataset, samples_per_epoch=6, seed=1)
        loaded = []
        for num_workers in (0, 2):
            loader = DataLoader(
                dataset,
                batch_size=2,
                sampler=sampler,
                num_workers=num_workers,
                collate_fn=pseudo_collate,
                worker_init_fn=np.random.seed,
            )
            loaded.append(
                [
                    contents(
                        dict(
                            inputs={
                                key: value[i] for key, value in batch['inputs'].items()
                            },
                            data_samples=batch['data_samples'][i],
                        )
                    )
                    for batch in loader
                    for i in range(2)
                ]
            )
        assert loaded[0] == loaded[1] == clips(dataset, number=6, seed=1)

    def test_whatever_was_drawn_before(self, build, data_root):
        dataset = build(data_root)
        backwards = [contents(dataset[0, 0, i]) for i in reversed(range(8))]
        assert backwards[::-1] == clips(build(data_root))

    def test_seeds_and_epochs(self, build, data_root):
        dataset = build(data_root)
        first = clips(dataset)
        assert len({str(clip) for clip in first}) == len(first)
        for other in (clips(dataset, epoch=1), clips(dataset, seed=1)):
            assert not any(clip in first for clip in other)

    def test_both_kinds_of_clips(self, build, data_root):
        kinds = [clip['synthetic'] for clip in clips(build(data_root), number=40)]
        assert 8 < sum(kinds) < 32

    def test_weights(self, fake_reader):
        """Readers are drawn by their weights, their videos alike, with another donor."""
        dataset = fake_dataset('ab', weights=[3, 1])
        drawn = [dataset[0, 0, i]['videos'] for i in range(3000)]
        names = [video['video'] for video, _ in drawn]
        share = np.mean([name[0] == 'a' for name in names])
        assert share == pytest.approx(0.75, abs=0.03)
        for name in ('a0', 'a1', 'a2'):
            assert names.count(name) / 3000 == pytest.approx(0.25, abs=0.03)
        assert all(
            video['video'] != donor['video'] and video['video'][0] == donor['video'][0]
            for video, donor in drawn
        )

    def test_one_video(self, fake_reader, monkeypatch):
        """It is its own donor."""
        monkeypatch.setattr(fake_reader, 'num_videos', 1)
        video, donor = fake_dataset()[0, 0, 0]['videos']
        assert video['video'] == donor['video'] == 'a0'


class TestLabels:
    @pytest.mark.parametrize('other', ['0,0,1,1', 'garbage', 'nan,nan,nan,nan'])
    def test_only_the_first_box_is_used(self, build, data_root, synthetic_root, other):
        """Corrupting all others changes no clip."""
        for file in data_root.glob('*/*/groundtruth.txt'):
            first, *rest = file.read_text().splitlines()
            file.write_text('\n'.join([first] + [other] * len(rest)) + '\n')
        for file in data_root.glob('*/*/*.label'):
            file.write_text('1\n' * 8)
        number = 12
        assert clips(build(data_root), number=number) == clips(
            build(synthetic_root / 'got10k'), number=number
        )

    def test_first_box_is_used(self, build, data_root, synthetic_root):
        """The test above could fail."""
        for file in data_root.glob('train/*/groundtruth.txt'):
            _, *rest = file.read_text().splitlines()
            file.write_text('\n'.join(['9,9,20,20', *rest]) + '\n')
        changed, same = clips(build(data_root)), clips(build(synthetic_root / 'got10k'))
        assert all(a != b for a, b in zip(changed, same, strict=True))

    def test_all_labels(self, build, data_root):
        """Supervised training asks for them by name."""
        pipeline = [
            dict(type='SampleSupervisedClip'),
            dict(type='LoadClip'),
            dict(type='CropClip'),
            dict(type='PackClip'),
        ]
        clip = build(data_root, labels='all', pipeline=pipeline)[0, 0, 0]
        assert set(clip['inputs']) == {'template', 'grounding'}
        assert clip['inputs']['template'].shape == (3, 3, 128, 128)


class TestBadSamples:
    def test_unreadable_image(self, build, data_root, caplog):
        """A warning with the sample's identity, and another sample."""
        bad = data_root / 'train' / 'GOT-10k_Train_000001'
        for file in bad.glob('*.jpg'):
            file.write_bytes(b'')
        dataset = build(data_root)
        with caplog.at_level(logging.WARNING, 'sstrack_mm'):
            drawn = clips(dataset, number=20)
        assert all(clip['video'] != bad.name for clip in drawn)
        assert dataset.num_bad == len(caplog.records) > 0
        message = caplog.records[0].getMessage()
        assert message.startswith('clip (0, 0, ') and str(bad) in message
        assert 'cannot be read as an image' in message and 'another' in message

    def test_box_outside_the_image(self, build, data_root, caplog):
        file = data_root / 'train' / 'GOT-10k_Train_000002' / 'groundtruth.txt'
        _, *rest = file.read_text().splitlines()
        file.write_text('\n'.join(['500,500,20,20', *rest]) + '\n')
        drawn = clips(build(data_root), number=20)
        assert 'GOT-10k_Train_000002' in caplog.text and 'lies outside the' in caplog.text
        assert all(clip['video'] != 'GOT-10k_Train_000002' for clip in drawn)

    def test_replacement_is_the_tickets_own(self, fake_reader, monkeypatch):
        """What was bad before makes no difference."""
        monkeypatch.setattr(fake_reader, 'good', {0})
        names = [fake_dataset()[0, 0, i]['videos'][1]['video'] for i in range(10)]
        dataset = fake_dataset()
        assert [dataset[0, 0, i]['videos'][1]['video'] for i in range(10)] == names

    def test_limit_in_a_row(self, fake_reader, monkeypatch, caplog):
        monkeypatch.setattr(fake_reader, 'good', set())
        with pytest.raises(
            DataError,
            match=r'4 unusable samples in a row.*'
            r'the last one: a\d is bad',
        ):
            fake_dataset(max_bad_in_a_row=4)[0, 0, 0]
        assert len(caplog.records) == 4

    def test_limit_in_all(self, fake_reader, monkeypatch):
        monkeypatch.setattr(fake_reader, 'good', {0})
        dataset = fake_dataset(max_bad=5)
        with pytest.raises(
            DataError,
            match=r'6 unusable samples in this worker '
            r'\(max_bad=5\); the last one: a[12] is bad',
        ):
            for i in range(1000):
                dataset[0, 0, i]
        assert dataset.num_bad == 6

    def test_other_errors_are_not_swallowed(self, fake_reader, monkeypatch):
        monkeypatch.setattr(fake_reader, 'clip_source', lambda self, idx: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fake_dataset()[0, 0, 0]

    def test_missing_folder(self, build, tmp_path):
        with pytest.raises(DataError, match=r'none: no such folder.*SSTRACK_DATA_ROOT'):
            build(tmp_path / 'none')[0, 0, 0]


class TestSampler:
    @pytest.mark.parametrize('world_size', [1, 2, 3])
    def test_ranks_share_the_clips(self, fake_reader, monkeypatch, world_size):
        """All ranks together draw the same clips, each of them once."""
        tickets = []
        for rank in range(world_size):
            monkeypatch.setattr(
                'sstrack_mm.datasets.clip_dataset.get_dist_info',
                lambda rank=rank: (rank, world_size),
            )
            sampler = DATA_SAMPLERS.build(
                dict(type='ClipSampler', samples_per_epoch=7, seed=5),
                default_args=dict(dataset=fake_dataset()),
            )
            sampler.set_epoch(2)
            assert len(list(sampler)) == len(sampler)
            tickets.append(list(sampler))
        assert len({len(share) for share in tickets}) == 1
        flat = [ticket for share in tickets for ticket in share]
        number = -(-7 // world_size) * world_size
        assert sorted(flat) == [(5, 2, i) for i in range(number)]

    def test_no_seed(self, fake_reader):
        assert list(ClipSampler(fake_dataset(), 2, seed=None)) == [(0, 0, 0), (0, 0, 1)]

    def test_bad_number(self, fake_reader):
        with pytest.raises(ValueError, match='must be positive, but got 0'):
            ClipSampler(fake_dataset(), 0)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(labels='some'), "labels must be 'first' or 'all', but got 'some'"),
        (dict(weights=[1, 1]), r'weights must be 1 numbers .* but got \[1, 1\]'),
        (dict(weights=[0]), r'not all 0, but got \[0\]'),
        (dict(weights=[-1]), r'but got \[-1\]'),
    ],
)
def test_bad_arguments(fake_reader, arguments, message):
    with pytest.raises(ValueError, match=message):
        fake_dataset(**arguments)


def test_number_of_videos(fake_reader):
    assert len(fake_dataset('ab')) == 6
