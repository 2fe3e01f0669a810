"""Shards: written, read at random, over HTTP and S3, and broken."""

import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import webdataset
from mmtrack.registry import DATASETS

from sstrack_mm.datasets import ClipDataset, GOT10kSequences, ShardedVideos, VideoFolder
from sstrack_mm.datasets.shards import store as store_module
from sstrack_mm.datasets.shards import writer as writer_module
from sstrack_mm.datasets.shards.cache import BlockCache
from sstrack_mm.datasets.shards.index import find_broken
from sstrack_mm.datasets.shards.store import ShardStore
from sstrack_mm.datasets.shards.writer import write_shards
from sstrack_mm.datasets.transforms.loading import read_frames
from sstrack_mm.errors import DataError, StoreError

pytestmark = pytest.mark.usefixtures('default_scope')

SMALL = 1 << 16  # bytes of a shard


@pytest.fixture
def labelled(synthetic_root):
    return GOT10kSequences(data_root=str(synthetic_root / 'got10k'), split='train')


@pytest.fixture
def shards(labelled, tmp_path):
    """Some shards of labelled videos."""
    write_shards(labelled, tmp_path / 'shards', 'a', SMALL, with_labels=True)
    return tmp_path / 'shards'


@pytest.fixture
def films(tmp_path, scene, write_film):
    """Two video files, one of them of two shots, and a folder of images."""
    two = np.concatenate([scene(24, seed=1), scene(24, seed=2)])
    write_film(tmp_path / 'films' / 'two.mp4', two, gop=250, bf='0')
    write_film(tmp_path / 'films' / 'one.avi', scene(20, seed=3), codec='mjpeg')
    return VideoFolder(str(tmp_path / 'films'))


def by_name(reader):
    return {reader.clip_source(i)['video']: i for i in range(len(reader))}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def assert_same_frames(first, second, places):
    """Two sequences of frames hold the same pixels."""
    assert len(first) == len(second)
    ours, theirs = [first[i] for i in places], [second[i] for i in places]
    images = [read_frames(ours), read_frames(theirs)]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(images[0][a], images[1][b])


class TestContent:
    def test_images(self, labelled, shards):
        """Pixels, names, first boxes and labels are the reader's."""
        dataset = ShardedVideos(str(shards))
        names = by_name(labelled)
        assert by_name(dataset).keys() == names.keys() and len(dataset.shards) > 1
        for name, i in by_name(dataset).items():
            ours, theirs = dataset.clip_source(i), labelled.clip_source(names[name])
            np.testing.assert_array_equal(ours['init_xywh'], theirs['init_xywh'])
            assert_same_frames(ours['frame_paths'], theirs['frame_paths'], [0, -1])
            ours, theirs = dataset.sequence(i), labelled.sequence(names[name])
            np.testing.assert_array_equal(ours.gt_xywh, theirs.gt_xywh)
            np.testing.assert_array_equal(ours.visible, theirs.visible)

    @pytest.mark.parametrize('protocol', ['file', 'local'])
    def test_address_of_a_folder(self, shards, protocol):
        dataset = ShardedVideos(f'{protocol}://{shards}')
        assert by_name(dataset) == by_name(ShardedVideos(str(shards)))
        assert read_frames(dataset.clip_source(0)['frame_paths'][:1])

    def test_films(self, films, tmp_path):
        """Shots of one file share it, and seek in it."""
        write_shards(films, tmp_path / 'shards', 'films')
        dataset = ShardedVideos(str(tmp_path / 'shards'))
        names = by_name(films)
        assert by_name(dataset).keys() == names.keys() and len(names) == 3
        for name, i in by_name(dataset).items():
            source = dataset.clip_source(i)
            assert np.isnan(source['init_xywh']).all()
            theirs = films.clip_source(names[name])['frame_paths']
            assert_same_frames(source['frame_paths'], theirs, [1, 19, 7])
        with tarfile.open(tmp_path / 'shards' / '000000.tar') as tar:
            suffixes = sorted(name.split('.')[-1] for name in tar.getnames())
        assert suffixes == ['avi', 'json', 'json', 'mp4']

    def test_webdataset_reads_them(self, labelled, shards):
        """Samples, as its own loader groups them."""
        names = []
        for path in sorted(shards.glob('*.tar')):
            for sample in webdataset.WebDataset(str(path), shardshuffle=False):
                (video,) = json.loads(sample['json'])
                assert sum(key.endswith('jpg') for key in sample) == video['num_frames']
                names.append(video['name'])
        assert sorted(names) == sorted(labelled.names)

    def test_shards_of_shards(self, labelled, shards, tmp_path):
        again = tmp_path / 'again'
        write_shards(ShardedVideos(str(shards)), again, 'b', 1 << 30, with_labels=True)
        dataset = ShardedVideos(str(again))
        assert sorted(by_name(dataset)) == sorted(labelled.names)
        assert len(dataset.shards) == 1 and not list(find_broken(dataset.store))

    def test_no_labels(self, labelled, tmp_path):
        write_shards(labelled, tmp_path / 'x', 'a')
        dataset = ShardedVideos(str(tmp_path / 'x'))
        assert not len(dataset.tables.labels)
        with pytest.raises(DataError, match=r'make_shards\.py --labels'):
            dataset.sequence(0)

    def test_other_process(self, shards):
        """The tables are not copied to it."""
        dataset = ShardedVideos(str(shards), lanes=3)
        text = pickle.dumps(dataset)
        copy = pickle.loads(text)
        assert len(text) < 1000 and by_name(copy) == by_name(dataset) and copy.lanes == 3


class TestWriting:
    def test_stopped(self, labelled, shards, tmp_path, monkeypatch):
        """Stopped anywhere, it goes on, and writes the same bytes."""
        folder, save = tmp_path / 'stopped', writer_module._save_part

        class Killed(Exception):
            pass

        def save_and_stop(folder, number, part):
            if number == 1:
                raise Killed  # the shard is there, its note is not
            save(folder, number, part)

        monkeypatch.setattr(writer_module, '_save_part', save_and_stop)
        with pytest.raises(Killed):
            write_shards(labelled, folder, 'a', SMALL, with_labels=True)
        assert not (folder / 'index.json').exists()
        (folder / '.000001.tar.77.tmp').write_bytes(b'cut short')
        first = (folder / '000000.tar').stat()
        monkeypatch.setattr(writer_module, '_save_part', save)
        write_shards(labelled, folder, 'a', SMALL, with_labels=True)
        assert contents(folder) == contents(shards)
        assert (folder / '000000.tar').stat().st_mtime_ns == first.st_mtime_ns

    def test_finished(self, labelled, shards):
        before = os.stat(shards / 'index.json').st_mtime_ns
        write_shards(labelled, shards, 'a', SMALL, with_labels=True)
        assert os.stat(shards / 'index.json').st_mtime_ns == before

    def test_something_else(self, labelled, shards):
        with pytest.raises(DataError, match=r'shards of something else\. There: .*"b"'):
            write_shards(labelled, shards, 'b', SMALL, with_labels=True)

    def test_labels_of_raw_video(self, films, tmp_path):
        """They are refused, and nothing is left that would refuse the next run."""
        with pytest.raises(DataError, match='raw video has no boxes; leave out --lab'):
            write_shards(films, tmp_path / 'x', 'films', with_labels=True)
        assert not (tmp_path / 'x').exists()

    def test_other_videos(self, labelled, shards, monkeypatch):
        """As many as before, but others."""
        original = labelled.clip_source
        for change in (dict(video='other'), dict(frame_paths=['a.jpg'])):
            monkeypatch.setattr(
                labelled, 'clip_source', lambda i, change=change: original(i) | change
            )
            with pytest.raises(DataError, match='shards of something else'):
                write_shards(labelled, shards, 'a', SMALL, with_labels=True)

    def test_older_plan(self, labelled, shards):
        """It does not say which videos, and is taken as it is."""
        index = json.loads((shards / 'index.json').read_text())
        del index['plan']['content']
        (shards / 'index.json').write_text(json.dumps(index))
        write_shards(labelled, shards, 'a', SMALL, with_labels=True)
        assert json.loads((shards / 'index.json').read_text()) == index

    def test_missing_image(self, labelled, tmp_path, monkeypatch):
        source = dict(labelled.clip_source(0), frame_paths=['gone.jpg'])
        monkeypatch.setattr(labelled, 'clip_source', lambda index: source)
        with pytest.raises(DataError, match=r'gone\.jpg: No such file'):
            write_shards(labelled, tmp_path / 'x', 'a')
        assert not list((tmp_path / 'x').glob('*.tar'))


class TestLocality:
    @pytest.mark.parametrize(('lanes', 'clips_per_visit'), [(1, 8), (4, 2), (3, 1)])
    def test_windows(self, shards, lanes, clips_per_visit):
        """Clips of a visit share a shard; each lane has its own ones."""
        dataset = ShardedVideos(str(shards), lanes, clips_per_visit)
        windows = [dataset.window((0, 1, i)) for i in range(48)]
        visits = {}
        for number, window in enumerate(windows):
            key = number % lanes, number // lanes // clips_per_visit
            assert visits.setdefault(key, window) == window
            shards_there = dataset.tables.videos['shard'][window.start : window.stop]
            assert len(set(shards_there.tolist())) == 1
        assert len({window.start for window in visits.values()}) == len(dataset.shards)
        assert windows != [dataset.window((0, 2, i)) for i in range(48)]

    def test_every_video_is_as_likely(self, shards):
        dataset = ShardedVideos(str(shards), lanes=1, clips_per_visit=1)
        chances = np.zeros(len(dataset))
        for number in range(2000):
            window = dataset.window((0, 0, number))
            chances[window.start : window.stop] += 1 / len(window) / 2000
        np.testing.assert_allclose(chances, 1 / len(dataset), rtol=0.3)

    def test_bad_arguments(self, shards):
        with pytest.raises(ValueError, match='lanes and clips_per_visit must be posi'):
            ShardedVideos(str(shards), lanes=0)
        with pytest.raises(ValueError, match='block_bytes must be positive'):
            ShardedVideos(str(shards), block_bytes=0)


def clip_dataset(root, **arguments):
    reader = dict(type='ShardedVideos', data_root=str(root))
    pipeline = [
        dict(type='SampleSelfSupervisedClip', max_gap=4, synthesis_prob=0),
        dict(type='LoadClip'),
    ]
    limits = {key: arguments.pop(key) for key in ('max_bad',) if key in arguments}
    return ClipDataset([reader | arguments], pipeline, **limits)


def pixels(clip):
    return [frame.tobytes() for frame in clip['frames']]


class TestBroken:
    def test_shard_that_breaks_off(self, shards, caplog):
        """Named, left out, counted; and too many of them end the run."""
        (shards / '000001.tar').write_bytes((shards / '000001.tar').read_bytes()[:600])
        dataset = clip_dataset(shards, clips_per_visit=1)
        clips = [dataset[0, 0, i] for i in range(30)]
        assert len(clips) == 30
        assert 0 < dataset.num_bad == len(caplog.records) < 150
        assert '000001.tar: the shard breaks off' in caplog.text
        dataset = clip_dataset(shards, clips_per_visit=1, max_bad=3)
        with pytest.raises(DataError, match=r'4 unusable samples .*000001\.tar'):
            for i in range(100):
                dataset[0, 0, i]

    def test_damaged_image(self, shards):
        """JPEG would decode it without a word."""
        dataset = ShardedVideos(str(shards))
        member = dataset.clip_source(0)['frame_paths'][2]
        with open(shards / member.shard.name, 'r+b') as file:
            file.seek(member.start + member.num_bytes - 40)
            file.write(b'\0\0\0')
        with pytest.raises(DataError, match=r'0000\.tar: \d+\.000002\.jpg: is damaged'):
            read_frames([member])
        assert [message.split(':')[0] for message in find_broken(dataset.store)] == [
            str(shards / '000000.tar')
        ]

    def test_missing_shard(self, shards):
        dataset = ShardedVideos(str(shards))
        (shards / '000000.tar').unlink()
        with pytest.raises(DataError, match=r'000000\.tar: there is no such file'):
            read_frames(dataset.clip_source(0)['frame_paths'][:1])
        assert 'no such file' in next(find_broken(dataset.store))

    def test_damaged_film(self, films, tmp_path):
        write_shards(films, tmp_path / 'shards', 'films')
        dataset = ShardedVideos(str(tmp_path / 'shards'))
        place = dataset.clip_source(by_name(dataset)['two.mp4[0:24]'])['frame_paths'][5]
        with open(tmp_path / 'shards' / '000000.tar', 'r+b') as file:
            file.seek(place.path.start)
            file.write(bytes(place.path.num_bytes))
        with pytest.raises(DataError, match=r'000000\.tar: \d+\.mp4: cannot be decoded'):
            read_frames([place])

    @pytest.mark.parametrize('content', ['', '{}', '[]', '{"shardlist": [{}]}'])
    def test_index(self, shards, content):
        (shards / 'index.json').write_text(content)
        with pytest.raises(DataError, match=r'index\.json: no index that make_shards'):
            ShardedVideos(str(shards))

    def test_tables(self, shards):
        (shards / 'tables.npy').write_bytes(b'x')
        with pytest.raises(DataError, match=r'tables\.npy: .*write the shards again'):
            ShardedVideos(str(shards))

    def test_no_shards(self, tmp_path):
        with pytest.raises(DataError, match=r'index\.json: there is no such file'):
            DATASETS.build(dict(type='ShardedVideos', data_root=str(tmp_path)))


class TestCache:
    def test_bound(self, tmp_path):
        """What was used longest ago goes first."""
        cache = BlockCache(str(tmp_path), 1000)
        for number in range(10):
            cache.put(str(number), bytes([number]) * 100)
            os.utime(cache._path(str(number)), ns=(number, number))
        assert cache.get('0', 100) == bytes(100)  # and is now the youngest
        cache.put('10', b'x' * 100)
        kept = [cache.get(str(number), 100) is not None for number in range(11)]
        assert kept == [True, False, *[True] * 9]

    def test_what_is_not_its_own_stays(self, tmp_path):
        names = ['a.txt', 'photos/b.jpg', 'ab/c.jpg', f'photos/{30 * "a"}', 'cd']
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(2000))
        folder = tmp_path / 'ab' / (30 * 'b')
        folder.mkdir()
        left_over = tmp_path / 'ab' / f'{30 * "c"}.77'  # of a process that was killed
        left_over.write_bytes(bytes(2000))
        cache = BlockCache(str(tmp_path), 1000)
        cache.put('0', bytes(900))
        os.utime(cache._path('0'), ns=(1, 1))
        cache.put('1', bytes(900))
        assert all(path.is_file() for path in paths) and folder.is_dir()
        assert not left_over.exists() and cache.get('0', 900) is None
        assert cache.get('1', 900) == bytes(900)

    def test_damaged_block(self, shards, tmp_path):
        """It is fetched again; a shard that is damaged itself is not healed by that."""
        options = dict(cache_local=True, cache_folder=str(tmp_path / 'blocks'))
        dataset = ShardedVideos(str(shards), block_bytes=4096, **options)
        member = dataset.clip_source(0)['frame_paths'][2]
        data = member.read_bytes()
        for path in (tmp_path / 'blocks').glob('*/*'):
            path.write_bytes(bytes(path.stat().st_size))
        assert member.read_bytes() == data
        counts = dataset.store.counts
        misses = counts.misses
        assert member.read_bytes() == data and counts.misses == misses  # kept again
        with open(shards / member.shard.name, 'r+b') as file:
            file.seek(member.start)
            file.write(bytes(member.num_bytes))
        assert member.read_bytes() == data
        for path in (tmp_path / 'blocks').glob('*/*'):
            path.unlink()
        with pytest.raises(DataError, match='is damaged, its checksum is not that'):
            member.read_bytes()

    def test_part_of_a_block(self, tmp_path):
        cache = BlockCache(str(tmp_path), 1000)
        cache.put('a', b'short')
        assert cache.get('a', 6) is None and cache.get('a', 5) == b'short'


class Server:
    """A server in a process of its own, that can be killed and started again."""

    def __init__(self, command, port):
        self.command, self.port = command, port
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None
                time.sleep(0.1)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


@pytest.fixture
def http(shards):
    """The shards behind a web server, as the tests ask for them: its address."""

    class Handler(SimpleHTTPRequestHandler):
        ranges = True

        def __init__(self, *args):
            super().__init__(*args, directory=str(shards))

        def do_GET(self):
            if not self.ranges or 'Range' not in self.headers:
                return super().do_GET()
            first, last = map(int, self.headers['Range'].split('=')[1].split('-'))
            data = open(self.translate_path(self.path), 'rb').read()[first : last + 1]
            if not data:
                return self.send_error(416)
            self.send_response(206)
            self.send_header('Content-Length', str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}', Handler
        server.shutdown()


@pytest.fixture
def s3(port, monkeypatch):
    """An S3 server on the loopback, and the options to reach it."""
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.setenv(name, 'testing')
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
    server = Server(
        [sys.executable, '-m', 'moto.server', '-H', '127.0.0.1', '-p', str(port)], port
    )
    server.options = dict(client_kwargs=dict(endpoint_url=f'http://127.0.0.1:{port}'))
    yield server
    server.kill()


def upload(server, shards):
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem(**server.options)
    files.mkdir('bucket')
    for path in shards.iterdir():
        files.pipe_file(f'bucket/shards/{path.name}', path.read_bytes())


class TestNetwork:
    def test_s3(self, s3, shards, monkeypatch):
        """Clips are those of a local folder, also when the server goes and comes back."""
        upload(s3, shards)
        expected = [pixels(clip_dataset(shards)[0, 0, i]) for i in range(12)]
        arguments = dict(storage_options=s3.options, block_bytes=4096)
        dataset = clip_dataset('s3://bucket/shards', **arguments)
        assert [pixels(dataset[0, 0, i]) for i in range(6)] == expected[:6]
        counts = dataset.datasets[0].store.counts
        assert counts.misses > 0 and counts.fetched < 40 * counts.used
        s3.kill()

        def come_back(seconds):
            restarts.append(seconds)
            s3.start()
            upload(s3, shards)

        restarts = []
        monkeypatch.setattr(store_module, 'sleep', come_back)
        dataset = clip_dataset(
            's3://bucket/shards', cache_folder=str(shards / 'other'), **arguments
        )
        assert [pixels(dataset[0, 0, i]) for i in range(6, 12)] == expected[6:]
        assert dataset.num_bad == 0 and len(restarts) == 1

    def test_s3_is_gone(self, s3, shards):
        """It is asked for a while; then the run ends, no clip is drawn in its place."""
        upload(s3, shards)
        dataset = clip_dataset(
            's3://bucket/shards', storage_options=s3.options, patience_s=2
        )
        s3.kill()
        start = time.monotonic()
        with pytest.raises(StoreError, match=r's3://.*: no answer in .* --resume'):
            dataset[0, 0, 0]
        assert time.monotonic() - start < 60 and dataset.num_bad == 0

    def test_http(self, http, shards):
        expected = [pixels(clip_dataset(shards)[0, 0, i]) for i in range(4)]
        for fetches in (True, False):  # all that another process needs is there
            dataset = clip_dataset(http[0], block_bytes=4096)
            assert [pixels(dataset[0, 0, i]) for i in range(4)] == expected
            counts = dataset.datasets[0].store.counts
            assert (counts.misses > 0) == (counts.fetched > 0) == fetches

    def test_http_is_gone(self, port, shards):
        """A server that refuses to connect has not lost its files."""
        words = ['-m', 'http.server', '-b', '127.0.0.1', '-d', str(shards), str(port)]
        server = Server([sys.executable, *words], port)
        dataset = clip_dataset(f'http://127.0.0.1:{port}', patience_s=1)
        server.kill()
        with pytest.raises(StoreError, match=r'http://.*: no answer in .* --resume'):
            dataset[0, 0, 0]
        assert dataset.num_bad == 0

    def test_http_behind_the_end(self, http, shards, monkeypatch):
        """A server that says so is not asked again."""
        dataset = ShardedVideos(http[0], block_bytes=4096)
        place = dataset.clip_source(0)['frame_paths'][-1]
        (shards / place.shard.name).write_bytes(b'short')
        waits = []
        monkeypatch.setattr(store_module, 'sleep', waits.append)
        with pytest.raises(DataError, match=r'0\.tar: the shard breaks off'):
            read_frames([place])
        assert not waits

    def test_http_without_ranges(self, http, monkeypatch):
        dataset = ShardedVideos(http[0], block_bytes=4096)
        monkeypatch.setattr(http[1], 'ranges', False)
        with pytest.raises(DataError, match=r'0\.tar: the server sends whole files'):
            read_frames(dataset.clip_source(0)['frame_paths'][:1])

    def test_cache_is_used(self, shards, tmp_path):
        """What a worker fetched, another one has."""
        options = dict(cache_local=True, cache_folder=str(tmp_path / 'blocks'))
        stores = [ShardStore(f'file://{shards}', **options) for _ in range(2)]
        shard = ShardedVideos(str(shards)).shards[0]
        parts = [one.read(shard, 700, 9000) for one in stores]
        assert parts[0] == parts[1] == (shards / shard.name).read_bytes()[700:9700]
        assert [one.counts.misses for one in stores] == [1, 0]
        assert stores[1].counts.fetched == 0 and stores[1].counts.hits == 1
