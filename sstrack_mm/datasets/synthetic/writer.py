"""Data sets of procedural videos: in GOT-10k's layout, or as files without labels.

    got10k/synthetic.json             the parameters they were made with
    got10k/{train,val,test}/list.txt  the names of the videos, one a line
    got10k/train/GOT-10k_Train_000001/
        00000001.jpg ...              the frames
        groundtruth.txt               x,y,w,h in every frame, pixels
        absence.label                 1 where nothing of the target can be seen
        cover.label                   how much of it can be seen, 0..8
        cut_by_image.label            1 where its box ends at the image's border
        meta_info.ini                 about the video

One thing differs from the real GOT-10k on purpose: its test videos come with their
first box alone, these have all labels, so that they can be evaluated at home.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import gmtime, strftime

import av
import cv2
import numpy as np
from tqdm import tqdm

from sstrack_mm.datasets.synthetic.video import check_video, iter_video
from sstrack_mm.errors import DataError

_SPLITS = ('train', 'val', 'test')
# To be raised when the same seed gives other videos than before.
_VERSION = 1
_FRAMES_PER_SECOND = 30
# The folder of a video, the number of its split, its number in the split from 1.
Job = tuple[Path, int, int]
_logger = logging.getLogger(__name__)


def write_dataset(
    out_dir: str | Path,
    num_videos: int = 80,
    num_frames: int = 60,
    seed: int = 0,
    *,
    size: tuple[int, int] = (320, 240),
    val_videos: int | None = None,
    test_videos: int | None = None,
    absences: int = 0,
    look: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> dict[str, list[str]]:
    """Write a data set of procedural videos to ``out_dir/got10k``.

    What a video shows depends on ``seed``, its split and its number alone (and, by
    rounding, on the versions of NumPy and OpenCV). The folder appears when it is
    complete; until then it is called ``got10k.part``.

    Args:
        out_dir: The data root; it is made if need be.
        num_videos: Number of training videos.
        num_frames: Frames in every video.
        seed: A whole number from 0.
        size: Width and height of the frames, pixels.
        val_videos: Number of validation videos; by default a quarter of the training
            videos, but at least 1.
        test_videos: Number of test videos; the same default.
        absences: How often nothing of a target is seen for a while, see
            :func:`~sstrack_mm.datasets.synthetic.render_video`.
        look: Another camera, see there; None for the usual one.
        workers: Number of processes; 1 is this one.
        overwrite: Replace what was generated here before.

    Returns:
        The names of the videos in each split. Where the same data set is in place
        already, nothing else is done.

    Raises:
        DataError: A parameter makes no sense, or the folder holds something else.
    """
    quarter = max(1, num_videos // 4)
    numbers = {
        'train': num_videos,
        'val': quarter if val_videos is None else val_videos,
        'test': quarter if test_videos is None else test_videos,
    }
    check_video(num_frames, size, absences, look)
    _check_least(
        ('number of workers', workers, 1),
        ('seed', seed, 0),
        *((f'number of {split} videos', numbers[split], 1) for split in _SPLITS),
    )
    names = {
        split: [_name(split, index) for index in range(1, number + 1)]
        for split, number in numbers.items()
    }
    parameters = dict(
        version=_VERSION, videos=numbers, frames=num_frames, size=list(size), seed=seed
    )
    if absences:  # data sets without any are labelled as ever
        parameters['absences'] = absences
    if look is not None:
        parameters['look'] = look
    root = Path(out_dir) / 'got10k'
    if _is_in_place(root, parameters, overwrite):
        _logger.info('%s already holds these videos', root)
    else:
        _generate(root, names, parameters, workers)
    return names


def write_videos(
    out_dir: str | Path,
    num_videos: int = 80,
    num_frames: int = 60,
    seed: int = 0,
    *,
    size: tuple[int, int] = (320, 240),
    look: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
) -> list[str]:
    """Write the training videos of :func:`write_dataset` as files without any label.

    The folder ``out_dir/videos`` appears when it is complete; until then it is called
    ``videos.part``.

    Args:
        out_dir: The data root; it is made if need be.
        num_videos: Number of videos.
        num_frames: Frames in every video.
        seed: A whole number from 0.
        size: Width and height of the frames, pixels, both even.
        look: As there.
        workers: Number of processes; 1 is this one.
        overwrite: Replace what was generated here before.

    Returns:
        The names of the files. Where the same ones are in place already, nothing else
        is done.

    Raises:
        DataError: A parameter makes no sense, or the folder holds something else.
    """
    check_video(num_frames, size, look=look)
    if size[0] % 2 or size[1] % 2:
        raise DataError(f'H.264 needs even sides, not {size[0]} x {size[1]}')
    _check_least(
        ('number of workers', workers, 1),
        ('seed', seed, 0),
        ('number of videos', num_videos, 1),
    )
    names = [f'{_name("train", index)}.mp4' for index in range(1, num_videos + 1)]
    parameters = dict(
        version=_VERSION,
        videos=num_videos,
        frames=num_frames,
        size=list(size),
        seed=seed,
    )
    if look is not None:
        parameters['look'] = look
    root = Path(out_dir) / 'videos'
    if _is_in_place(root, parameters, overwrite):
        _logger.info('%s already holds these videos', root)
        return names
    part = root.with_name('videos.part')
    _remove(part)
    part.mkdir(parents=True)
    write = partial(_write_file, seed=seed, size=size, num_frames=num_frames, look=look)
    _run(write, [(part / name, 0, index) for index, name in enumerate(names, 1)], workers)
    _put_in_place(part, root, parameters)
    return names


def _check_least(*rows: tuple[str, int, int]) -> None:
    """Raise a DataError for the first of (name, value, least value) that is too small."""
    for what, value, least in rows:
        if value < least:
            raise DataError(f'the {what} must be at least {least}, not {value}')


def _name(split: str, index: int) -> str:
    return f'GOT-10k_{split.capitalize()}_{index:06d}'


def _put_in_place(part: Path, root: Path, parameters: dict) -> None:
    """Label a complete folder with its parameters and give it its name."""
    (part / 'synthetic.json').write_text(json.dumps(parameters, indent=2) + '\n')
    _remove(root)
    part.rename(root)


def _is_in_place(root: Path, parameters: dict, overwrite: bool) -> bool:
    """Tell whether a data set need not be written; DataError if it must not be."""
    if not root.exists() or not any(root.iterdir()):
        return False
    label = root / 'synthetic.json'
    if not label.is_file():
        # Not even to be overwritten on demand: it may be the real GOT-10k.
        raise DataError(
            f'{root} holds data that was not generated; choose another output folder'
        )
    if overwrite:
        return False
    present = json.loads(label.read_text())
    if present != parameters:
        raise DataError(
            f'{root} holds videos generated with other parameters, '
            f'{present}; overwrite them or choose another output folder'
        )
    return True


def _generate(
    root: Path, names: dict[str, list[str]], parameters: dict, workers: int
) -> None:
    """Write all videos next to the folder, then put them in its place."""
    part = root.with_name('got10k.part')
    _remove(part)
    write = partial(
        _write_video,
        seed=parameters['seed'],
        size=parameters['size'],
        num_frames=parameters['frames'],
        absences=parameters.get('absences', 0),
        look=parameters.get('look'),
    )
    jobs = [
        (part / split / name, _SPLITS.index(split), index)
        for split, in_split in names.items()
        for index, name in enumerate(in_split, 1)
    ]
    _run(write, jobs, workers)
    for split, in_split in names.items():
        _write_lines(part / split / 'list.txt', in_split)
    _put_in_place(part, root, parameters)


def _remove(folder: Path) -> None:
    """Delete a folder if there is one."""
    if folder.exists():
        shutil.rmtree(folder)


def _run(write: Callable[[Job], None], jobs: list[Job], workers: int) -> None:
    """Call a function for each job, in one process or many, and show the progress."""
    progress = partial(tqdm, total=len(jobs), desc='Generating', unit='video')
    if workers == 1:
        for _ in progress(map(write, jobs)):
            pass
        return
    # Fork would copy OpenCV's and others' threads in unknown states.
    with ProcessPoolExecutor(
        workers, get_context('spawn'), cv2.setNumThreads, (1,)
    ) as pool:
        try:
            for _ in progress(pool.map(write, jobs)):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_video(
    job: Job,
    seed: int,
    num_frames: int,
    size: tuple[int, int],
    absences: int,
    look: str | None,
) -> None:
    """Write one video and its labels to a folder."""
    folder, split, index = job
    folder.mkdir(parents=True)
    # The quality of the pictures has a stream of its own: the video is the one that
    # `render_video([seed, split, index])` makes.
    quality = int(np.random.default_rng([seed, split, index, 1]).integers(70, 96))
    bboxes_xywh, cover = [], []
    video = iter_video(
        [seed, split, index], num_frames, (size[0], size[1]), absences, look
    )
    for number, (image, bbox_xywh, level) in enumerate(video, 1):
        path = folder / f'{number:08d}.jpg'
        _, jpeg = cv2.imencode(
            '.jpg',
            cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, quality],
        )
        path.write_bytes(jpeg)
        bboxes_xywh.append(bbox_xywh)
        cover.append(level)
    _write_labels(folder, np.stack(bboxes_xywh), np.array(cover), size)


def _write_file(
    job: Job, seed: int, num_frames: int, size: tuple[int, int], look: str | None
) -> None:
    """Write one video to a file of H.264."""
    path, split, index = job
    # In a relative path FFmpeg takes what is before a colon for a protocol.
    with av.open(os.path.abspath(path), 'w') as container:
        stream = container.add_stream('libx264', rate=_FRAMES_PER_SECOND)
        stream.width, stream.height = size
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.thread_count = 1
        for image, _, _ in iter_video([seed, split, index], num_frames, size, look=look):
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _write_labels(
    folder: Path, bboxes_xywh: np.ndarray, cover: np.ndarray, size: tuple[int, int]
) -> None:
    """Write the label files of a video of T frames.

    Args:
        folder: Where to.
        bboxes_xywh: (T, 4) boxes in the image, pixels.
        cover: (T,) levels of visibility, 0..8.
        size: Width and height of the image.
    """
    low, high = bboxes_xywh[:, :2], bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]
    cut = ((low <= 0) | (high >= size)).any(axis=1) & (cover > 0)
    _write_lines(
        folder / 'groundtruth.txt',
        [','.join(f'{value:.4f}' for value in bbox) for bbox in bboxes_xywh],
    )
    _write_lines(folder / 'cover.label', cover)
    _write_lines(folder / 'absence.label', (cover == 0).astype(int))
    _write_lines(folder / 'cut_by_image.label', cut.astype(int))
    end = strftime('%H:%M:%S', gmtime(len(cover) / _FRAMES_PER_SECOND))
    _write_lines(
        folder / 'meta_info.ini',
        [
            '[METAINFO]',
            'url: none',
            'begin: 00:00:00',
            f'end: {end}',
            f'anno_fps: {_FRAMES_PER_SECOND}Hz',
            'object_class: procedural',
            'motion_class: procedural',
            'major_class: procedural',
            'root_class: procedural',
            'motion_adverb: smoothly',
            f'resolution: ({size[0]}, {size[1]})',
        ],
    )


def _write_lines(path: Path, lines: Iterable) -> None:
    """Write a text file, one item a line."""
    path.write_text(''.join(f'{line}\n' for line in lines))
