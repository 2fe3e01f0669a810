"""Procedural videos: what is in them, that they repeat, and how they lie on disk."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from sstrack_mm.datasets.synthetic import render_video, write_dataset
from sstrack_mm.datasets.synthetic.camera import Camera, smear
from sstrack_mm.datasets.synthetic.motion import confine, smooth_curve
from sstrack_mm.datasets.synthetic.objects import random_actor
from sstrack_mm.datasets.synthetic.scene import Scene
from sstrack_mm.datasets.synthetic.sprites import draw
from sstrack_mm.datasets.synthetic.textures import (
    random_background,
    random_palette,
    random_texture,
    spectral_noise,
)
from sstrack_mm.datasets.synthetic.video import bbox_of_mask, cover_level
from sstrack_mm.errors import DataError

COMMAND = Path(__file__).parents[2] / 'tools' / 'dataset_tools' / 'make_synthetic.py'
SMALL = dict(num_videos=2, num_frames=4, size=(96, 64), val_videos=1, test_videos=1)


@pytest.fixture(scope='module')
def videos() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Twenty short videos."""
    return [render_video(seed, num_frames=12, size=(160, 120)) for seed in range(20)]


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> Path:
    """A small data set on disk."""
    out = tmp_path_factory.mktemp('synthetic')
    write_dataset(out, **SMALL)
    return out / 'got10k'


def files_in(root: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def run_command(*arguments: object) -> None:
    """Run the command in this process."""
    spec = importlib.util.spec_from_file_location('make_synthetic', COMMAND)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main([str(argument) for argument in arguments])


# -- Textures, sprites, motion, camera ----------------------------------------


@pytest.mark.parametrize('exponent', [0.8, 1.5])
def test_noise_has_the_spectrum_that_was_asked_for(exponent):
    noise = spectral_noise(np.random.default_rng(0), 256, 256, exponent)
    assert noise.std() == pytest.approx(1, abs=1e-3)
    amplitude = np.abs(np.fft.fft2(noise))
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(256)] * 2))
    bands = np.geomspace(0.02, 0.4, 9)
    mean = [
        amplitude[(frequency >= low) & (frequency < high)].mean()
        for low, high in zip(bands[:-1], bands[1:], strict=True)
    ]
    slope = np.polyfit(np.log(np.sqrt(bands[:-1] * bands[1:])), np.log(mean), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)


def test_textures_fill_any_size_with_varied_colours():
    rng = np.random.default_rng(0)
    textures = [random_texture(rng, 33, 57, grain) for grain in (2.0, 10.0, 80.0) * 20]
    textures += [random_background(rng, 33, 57) for _ in range(20)]
    for texture in textures:
        assert texture.shape == (33, 57, 3) and texture.dtype == np.float32
        assert np.isfinite(texture).all()
        assert texture.min() >= 0 and texture.max() <= 255
    means = np.array([texture.mean(axis=(0, 1)) for texture in textures])
    assert means.std(axis=0).min() > 25


def test_palettes_are_coloured_and_nearly_gray():
    rng = np.random.default_rng(0)
    chroma = np.array([np.ptp(random_palette(rng, 5), axis=1).mean() for _ in range(300)])
    assert (chroma < 12).mean() > 0.1
    assert (chroma > 60).mean() > 0.2


def test_draw_lays_a_sprite_where_the_map_says_and_clips_it():
    sprite = np.full((5, 4, 4), 255, np.float32)
    sprite[..., :3] = 200
    canvas = np.zeros((20, 30, 3), np.float32)
    draw(canvas, sprite, np.array([[1.0, 0, 7], [0, 1, 3]]))
    draw(canvas, sprite, np.array([[1.0, 0, -2], [0, 1, 18]]))
    draw(canvas, sprite, np.array([[1.0, 0, 300], [0, 1, 3]]))
    expected = np.zeros((20, 30, 3), np.float32)
    expected[3:8, 7:11] = 200
    expected[18:, :2] = 200
    np.testing.assert_allclose(canvas, expected, atol=1e-3)


def test_confined_paths_start_right_stay_inside_and_are_no_faster():
    for seed in range(20):
        curve = 5 * smooth_curve(np.random.default_rng(seed), 500)
        path = confine(10.0, curve, 2.0, 90.0)
        assert path[0] == pytest.approx(10)
        assert path.min() >= 2 and path.max() <= 90
        assert (np.abs(np.diff(path)) <= np.abs(np.diff(curve)).max() + 1e-9).all()


def test_smooth_curves_have_unit_speed():
    speeds = [
        np.diff(smooth_curve(np.random.default_rng(seed), 3000)).std()
        for seed in range(10)
    ]
    np.testing.assert_allclose(speeds, 1, atol=0.1)


def test_smear_keeps_brightness_and_direction():
    picture = np.zeros((41, 41), np.float32)
    picture[20, 20] = 100
    smeared = smear(picture, np.array([10.0, 0.0]))
    assert smeared.sum() == pytest.approx(100, rel=1e-3)
    rows, columns = np.nonzero(smeared > 1)
    assert np.ptp(columns) in (9, 10, 11) and np.ptp(rows) <= 2
    assert smear(picture, np.array([0.5, 0.5])) is picture


def test_camera_finds_its_way_back_to_the_world():
    camera = Camera(np.random.default_rng(3), 20, (160, 120), (256, 192))
    place = camera.to_world(np.array([30.0, 40.0]), 7)
    np.testing.assert_allclose(camera.from_world[7] @ [*place, 1], [30, 40])
    np.testing.assert_array_equal(camera.shake[0], 0)


def test_objects_have_about_the_size_that_was_asked_for():
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(60):
        actor = random_actor(rng, 60.0, 0.0)
        assert {part.sprite.dtype for part in actor.parts} == {np.dtype('float32')}
        patch, _ = actor.render(np.eye(2, 3), 0)
        bbox = bbox_of_mask(patch[..., 3] > 127)
        ratios.append(np.sqrt(bbox[2] * bbox[3]) / 60)
    assert 0.8 < np.median(ratios) <= 1.05
    assert min(ratios) > 0.4 and max(ratios) < 1.5


def test_moving_parts_change_the_shape():
    rng = np.random.default_rng(0)
    actors = [random_actor(rng, 60.0, 0.0) for _ in range(20)]
    shapes = [
        [actor.render(np.eye(2, 3), t)[0].shape for t in (0, 5)] for actor in actors
    ]
    assert sum(first != second for first, second in shapes) >= 5


# -- Videos ------------------------------------------------------------------


def test_a_video_repeats_and_another_seed_differs(videos):
    again = render_video(3, num_frames=12, size=(160, 120))
    for first, second in zip(videos[3], again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (videos[4][0] != videos[3][0]).any()


def test_a_frame_does_not_depend_on_those_before():
    scene = Scene(np.random.default_rng(5), 12, (160, 120))
    alone = scene.render(9).image
    np.testing.assert_array_equal(
        alone, render_video(5, num_frames=12, size=(160, 120))[0][9]
    )


def test_shapes_and_types(videos):
    frames, bboxes_xywh, cover = videos[0]
    assert frames.shape == (12, 120, 160, 3) and frames.dtype == np.uint8
    assert bboxes_xywh.shape == (12, 4) and bboxes_xywh.dtype == np.float64
    assert cover.shape == (12,) and cover.dtype.kind == 'i'


def test_boxes_are_inside_the_image_and_the_first_frame_shows_all(videos):
    for _, bboxes_xywh, cover in videos:
        assert (bboxes_xywh >= 0).all()
        assert (bboxes_xywh[:, :2] + bboxes_xywh[:, 2:] <= (160, 120)).all()
        assert cover[0] == 8 and bboxes_xywh[0, 2:].min() >= 5
        assert ((cover >= 0) & (cover <= 8)).all()


def test_boxes_are_tight_around_the_targets_mask():
    for seed in range(10):
        mask = Scene(np.random.default_rng(seed), 5, (160, 120)).render(2).target_mask
        x, y, w, h = bbox_of_mask(mask).astype(int)
        inside = mask[y : y + h, x : x + w]
        assert inside.sum() == mask.sum()
        for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert edge.any()


def test_boxes_hold_what_changes_when_the_target_is_taken_away():
    overlaps = []
    for seed in range(20):
        scene = Scene(np.random.default_rng(seed), 5, (320, 240))
        scene.camera.shutter = 0.0
        image, mask, _ = scene.render(0)
        x, y, w, h = bbox_of_mask(mask).astype(int)
        track = scene.target.track
        scene.target = replace(scene.target, track=replace(track, xy=track.xy + 1e4))
        change = np.abs(image.astype(float) - scene.render(0).image).max(axis=-1)
        changed = bbox_of_mask(change > 0.2 * change.max())
        label_mask = np.zeros_like(mask)
        label_mask[y : y + h, x : x + w] = True
        change_mask = np.zeros_like(mask)
        x, y, w, h = changed.astype(int)
        change_mask[y : y + h, x : x + w] = True
        overlaps.append(
            (label_mask & change_mask).sum() / (label_mask | change_mask).sum()
        )
    assert np.median(overlaps) > 0.92 and min(overlaps) > 0.6


def test_videos_move_and_vary(videos):
    way = [np.abs(np.diff(bboxes_xywh, axis=0)).max() for _, bboxes_xywh, _ in videos]
    assert np.median(way) > 1
    sizes = [np.sqrt(bboxes_xywh[0, 2:].prod()) for _, bboxes_xywh, _ in videos]
    assert max(sizes) > 3 * min(sizes)
    assert len({tuple(cover) for _, _, cover in videos}) > 3


def test_hidden_and_cut_targets_occur():
    shares = np.concatenate(
        [
            [frame.visible_share for frame in map(scene.render, range(0, 40, 4))]
            for scene in (
                Scene(np.random.default_rng(seed), 40, (96, 96)) for seed in range(25)
            )
        ]
    )
    assert 0.02 < (shares < 0.9).mean() < 0.5


@pytest.mark.parametrize(
    'share, level',
    [
        (0.0, 0),
        (0.004, 0),
        (0.01, 1),
        (0.15, 1),
        (0.16, 2),
        (0.9, 6),
        (0.91, 7),
        (0.99, 7),
        (1.0, 8),
    ],
)
def test_cover_levels(share, level):
    assert cover_level(share) == level


def test_bbox_of_mask():
    mask = np.zeros((10, 20), bool)
    np.testing.assert_array_equal(bbox_of_mask(mask), [0, 0, 0, 0])
    mask[3, 5] = mask[6, 18] = True
    np.testing.assert_array_equal(bbox_of_mask(mask), [5, 3, 14, 4])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_frames=1), 'at least 2 frames, not 1'),
        (dict(size=(320, 20)), '320 x 20'),
    ],
)
def test_bad_videos_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        render_video(0, **arguments)


# -- On disk -----------------------------------------------------------------


def test_layout_is_that_of_got10k(dataset):
    expected = {
        'train': ['GOT-10k_Train_000001', 'GOT-10k_Train_000002'],
        'val': ['GOT-10k_Val_000001'],
        'test': ['GOT-10k_Test_000001'],
    }
    for split, names in expected.items():
        assert (dataset / split / 'list.txt').read_text().split() == names
        for name in names:
            assert sorted(path.name for path in (dataset / split / name).iterdir()) == [
                '00000001.jpg',
                '00000002.jpg',
                '00000003.jpg',
                '00000004.jpg',
                'absence.label',
                'cover.label',
                'cut_by_image.label',
                'groundtruth.txt',
                'meta_info.ini',
            ]
    assert not dataset.with_name('got10k.part').exists()


def test_files_hold_the_rendered_video(dataset):
    folder = dataset / 'val' / 'GOT-10k_Val_000001'
    frames, bboxes_xywh, cover = render_video([0, 1, 1], 4, (96, 64))
    np.testing.assert_allclose(
        np.loadtxt(folder / 'groundtruth.txt', delimiter=','), bboxes_xywh
    )
    np.testing.assert_array_equal(np.loadtxt(folder / 'cover.label', dtype=int), cover)
    for number, frame in enumerate(frames, 1):
        written = cv2.imread(str(folder / f'{number:08d}.jpg'))[..., ::-1]
        assert written.shape == frame.shape
        assert np.abs(written.astype(float) - frame).mean() < 12


def test_labels_agree(tmp_path):
    write_dataset(tmp_path, 12, 30, seed=1, size=(64, 64))
    absent_frames = cut_frames = 0
    for folder in (tmp_path / 'got10k' / 'train').glob('GOT*'):
        bboxes_xywh = np.loadtxt(folder / 'groundtruth.txt', delimiter=',')
        absence, cover, cut = (
            np.loadtxt(folder / f'{name}.label', dtype=int)
            for name in ('absence', 'cover', 'cut_by_image')
        )
        assert len(bboxes_xywh) == len(absence) == len(cover) == len(cut) == 30
        np.testing.assert_array_equal(absence == 1, cover == 0)
        end = bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]
        at_border = (bboxes_xywh[:, :2] == 0).any(axis=1) | (end == 64).any(axis=1)
        np.testing.assert_array_equal(cut == 1, at_border & (absence == 0))
        assert (bboxes_xywh[absence == 0, 2:] > 0).all()
        absent_frames += absence.sum()
        cut_frames += cut.sum()
    assert absent_frames > 0 and cut_frames > 0


def test_bytes_do_not_depend_on_workers_or_on_other_videos(dataset, tmp_path):
    write_dataset(tmp_path, **{**SMALL, 'num_videos': 3}, workers=2)
    one, other = files_in(dataset), files_in(tmp_path / 'got10k')
    for name, content in one.items():
        if name not in ('synthetic.json', 'train/list.txt'):
            assert other[name] == content, name


def test_videos_differ_between_splits_numbers_and_seeds(dataset, tmp_path):
    write_dataset(tmp_path, **SMALL, seed=1)
    first_frames = [
        path.read_bytes()
        for root in (dataset, tmp_path)
        for path in root.rglob('00000001.jpg')
    ]
    assert len(first_frames) == 8 and len(set(first_frames)) == 8


def test_default_numbers_of_videos(tmp_path):
    names = write_dataset(tmp_path, 8, 2, size=(64, 64))
    assert {split: len(videos) for split, videos in names.items()} == {
        'train': 8,
        'val': 2,
        'test': 2,
    }


def test_the_same_data_set_is_not_written_twice(tmp_path):
    names = write_dataset(tmp_path, **SMALL)
    frame = tmp_path / 'got10k' / 'train' / names['train'][0] / '00000001.jpg'
    frame.write_bytes(b'touched')
    assert write_dataset(tmp_path, **SMALL) == names
    assert frame.read_bytes() == b'touched'
    write_dataset(tmp_path, **SMALL, overwrite=True)
    assert frame.read_bytes() != b'touched'


def test_other_parameters_need_overwrite(tmp_path):
    write_dataset(tmp_path, **SMALL)
    with pytest.raises(DataError, match='other parameters'):
        write_dataset(tmp_path, **SMALL, seed=7)
    write_dataset(tmp_path, **SMALL, seed=7, overwrite=True)
    assert json.loads((tmp_path / 'got10k/synthetic.json').read_text())['seed'] == 7


@pytest.mark.parametrize('overwrite', [False, True])
def test_data_of_others_is_never_touched(tmp_path, overwrite):
    real = tmp_path / 'got10k' / 'train' / 'list.txt'
    real.parent.mkdir(parents=True)
    real.write_text('GOT-10k_Train_000001\n')
    with pytest.raises(DataError, match='was not generated'):
        write_dataset(tmp_path, **SMALL, overwrite=overwrite)
    assert real.read_text() == 'GOT-10k_Train_000001\n'


def test_a_cut_short_run_is_not_taken_for_complete(tmp_path, monkeypatch, dataset):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    module = sys.modules['sstrack_mm.datasets.synthetic.writer']
    with monkeypatch.context() as patch:
        patch.setattr(module, '_write_labels', stop)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(tmp_path, **SMALL)
    assert not (tmp_path / 'got10k').exists()
    write_dataset(tmp_path, **SMALL)
    assert files_in(tmp_path / 'got10k') == files_in(dataset)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_videos=0), 'train videos must be at least 1, not 0'),
        (dict(val_videos=0), 'val videos must be at least 1'),
        (dict(seed=-1), 'seed must be at least 0, not -1'),
        (dict(workers=0), 'workers must be at least 1'),
        (dict(num_frames=0), 'at least 2 frames'),
        (dict(size=(10, 240)), '10 x 240'),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_written(
    tmp_path, arguments, message
):
    with pytest.raises(DataError, match=message):
        write_dataset(tmp_path, **{**SMALL, **arguments})
    assert not any(tmp_path.iterdir())


# -- The command ---------------------------------------------------------------


def test_help_answers_without_the_package():
    result = subprocess.run(
        [sys.executable, COMMAND, '--help'], capture_output=True, text=True, check=True
    )
    assert '--videos N' in result.stdout and '--seed S' in result.stdout


def test_command_writes_and_says_when_nothing_is_to_do(tmp_path, capsys, caplog):
    arguments = (
        tmp_path,
        '--videos',
        1,
        '--frames',
        2,
        '--size',
        64,
        64,
        '--seed',
        0,
        '--workers',
        1,
    )
    run_command(*arguments)
    assert '1 train, 1 val, 1 test videos of 2 frames' in capsys.readouterr().out
    with caplog.at_level('INFO'):
        run_command(*arguments)
    assert 'already holds these videos' in caplog.text


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--frames', 'many'], 'invalid int value'),
        (['--no-such-option'], 'unrecognized arguments'),
    ],
)
def test_bad_command_lines_end_with_a_clear_error(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as error:
        run_command(tmp_path, *arguments)
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--videos', 0], 'train videos must be at least 1, not 0'),
        (['--size', 8, 8], '8 x 8'),
    ],
)
def test_what_cannot_be_generated(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        run_command(tmp_path, *arguments)
