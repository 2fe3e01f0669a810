"""Whatever a file or an argument holds: the right numbers, or one clear error."""

import json
import string
from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sstrack_mm.command_options import parse_options
from sstrack_mm.datasets import files
from sstrack_mm.errors import DataError
from sstrack_mm.evaluation.results import load_results, read_bboxes
from sstrack_mm.evaluation.run_folder import RunFolder, format_boxes
from sstrack_mm.structures.crop import crop_target
from sstrack_mm.structures.target_box import TargetBox, read_jsonl
from sstrack_mm.structures.track_result import TrackResult
from sstrack_mm.tracking.engine import StepOutput
from sstrack_mm.tracking.online import OnlineTracker
from sstrack_mm.tracking.settings import TrackSettings

quick = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NUMBERS = st.floats(-1e6, 1e6)
BOXES = st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=1, max_size=8)
DELIMITERS = st.sampled_from([',', '\t', ' ', ';', ', ', ' ,\t'])
# Without what ends a line, and without surrogates, which no file can hold.
LINES = st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\r\n'))


class TestBoxFiles:
    @quick
    @given(BOXES, DELIMITERS, st.sampled_from(['\n', '\r\n', '\r']), st.booleans())
    def test_every_number_comes_back(self, tmp_path, boxes, delimiter, end, mark):
        path = tmp_path / 'boxes.txt'
        text = end.join(delimiter.join(map(repr, box)) for box in boxes) + end
        path.write_bytes(text.encode('utf-8-sig' if mark else 'utf-8'))
        np.testing.assert_array_equal(read_bboxes(path), boxes)

    @quick
    @given(st.lists(LINES, max_size=5))
    def test_any_text(self, tmp_path, lines):
        """It is boxes, or the message has the file."""
        path = tmp_path / 'boxes.txt'
        path.write_text('\n'.join(lines), encoding='utf-8')
        try:
            assert read_bboxes(path).shape[1:] == (4,)
        except DataError as error:
            assert str(error).startswith(str(path)) and '\n' not in str(error)

    @quick
    @given(st.binary(max_size=200))
    def test_any_bytes(self, tmp_path, content):
        path = tmp_path / 'boxes.txt'
        path.write_bytes(content)
        try:
            assert read_bboxes(path).shape[1:] == (4,)
        except DataError as error:
            assert str(error).startswith(str(path))

    @quick
    @given(BOXES, st.sampled_from(['nan', 'inf', 'x', '']), st.data())
    def test_a_bad_line_is_numbered(self, tmp_path, boxes, bad, data):
        number = data.draw(st.integers(1, len(boxes)))
        lines = [','.join(map(repr, box)) for box in boxes]
        lines[number - 1] = f'1,2,3,{bad}'
        path = tmp_path / 'boxes.txt'
        path.write_text('\n'.join(lines))
        with pytest.raises(DataError, match=f'boxes.txt, line {number}:'):
            read_bboxes(path)


class TestListFiles:
    @quick
    @given(st.lists(st.text(string.ascii_letters + '0123456789-_ ', min_size=1)))
    def test_names_come_back(self, tmp_path, names):
        wanted = [name.strip() for name in names if name.strip()]
        path = tmp_path / 'list.txt'
        path.write_text('\n\n'.join(names) + '\n')
        if wanted:
            assert files.read_names(path) == wanted
        else:
            with pytest.raises(DataError, match='list.txt: the file is empty'):
                files.read_names(path)


class TestResultFiles:
    @quick
    @given(BOXES)
    def test_text_reads_back_exactly(self, tmp_path, boxes):
        path = tmp_path / 'car.txt'
        path.write_text(format_boxes(np.array(boxes)))
        np.testing.assert_array_equal(read_bboxes(path), boxes)

    @quick
    @given(BOXES, st.binary(min_size=1, max_size=4), st.integers(0, 10**6))
    def test_a_changed_file_is_noticed(self, tmp_path_factory, boxes, damage, place):
        """Of our own results: never other numbers in silence."""
        folder = tmp_path_factory.mktemp('run')
        ones = np.ones(len(boxes))
        RunFolder(folder, {}).write('car', TrackResult(np.array(boxes), ones, ones))
        path = folder / 'car.txt'
        content = bytearray(path.read_bytes())
        place %= len(content)
        content[place : place + len(damage)] = damage
        changed = bytes(content) != path.read_bytes()
        path.write_bytes(content)
        if changed:
            with pytest.raises(DataError, match='car'):
                load_results(folder)
        else:
            np.testing.assert_array_equal(load_results(folder).bboxes_xywh['car'], boxes)


class TestBoxLines:
    boxes = st.builds(
        TargetBox,
        frame=st.integers(0, 10**9),
        time_s=NUMBERS,
        target=LINES,
        bbox_xywh=st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
        score=st.floats(0, 1),
        confidence=st.none() | st.floats(0, 1),
        state=st.sampled_from(['TRACKED', 'UNCERTAIN', 'LOST']),
        by_person=st.booleans(),
    )
    json = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(LINES, inner),
        max_leaves=6,
    )

    @quick
    @given(st.lists(boxes, max_size=5))
    def test_every_box_comes_back(self, tmp_path, boxes):
        path = tmp_path / 'boxes.jsonl'
        path.write_text(''.join(box.to_json() + '\n' for box in boxes), encoding='utf-8')
        assert list(read_jsonl(path)) == boxes

    @quick
    @given(boxes, st.sampled_from([f.name for f in fields(TargetBox)]), json)
    def test_any_value(self, tmp_path, box, key, value):
        """What is read can be written and read again; all else is refused by line."""
        path = tmp_path / 'boxes.jsonl'
        changed = {**asdict(box), key: value}
        path.write_text(f'{box.to_json()}\n{json.dumps(changed)}\n')
        try:
            again = list(read_jsonl(path))[1]
        except DataError as error:
            assert str(error).startswith(f'{path}, line 2: ')
        else:
            assert TargetBox.from_dict(json.loads(again.to_json())) == again

    @quick
    @given(
        st.binary(max_size=100) | st.sampled_from([b'[' * 10**5, b'{"bbox_xywh": [1e999'])
    )
    def test_any_bytes(self, tmp_path, content):
        path = tmp_path / 'boxes.jsonl'
        path.write_bytes(content)
        try:
            assert list(read_jsonl(path)) == []
        except DataError as error:
            assert str(error).startswith(str(path))


class Still:
    """An engine whose target stays."""

    search_size = 8

    def load(self, image):
        return image

    def zero_query(self):
        return None

    def cut_templates(self, frames, bboxes_xywh, factor):
        return [
            crop_target(frame, bbox, factor, 8)[0]
            for frame, bbox in zip(frames, bboxes_xywh, strict=True)
        ]

    cut_search = cut_templates

    def step(self, templates, searches, queries):
        middle = np.array([0.5, 0.5, 0.25, 0.25])
        return StepOutput([middle] * len(searches), [1.0] * len(searches), queries)


class TestBoxArguments:
    anything = st.one_of(
        st.none(),
        st.text(max_size=5),
        st.floats(),
        st.lists(st.floats() | st.integers(-100, 10**9), max_size=6),
        st.lists(st.lists(st.floats(), max_size=5), max_size=2),
    )

    @quick
    @given(anything)
    def test_tracked_or_refused(self, box):
        """No box makes a huge window, and a tracked box is finite and in the image."""
        image = np.zeros((48, 64, 3), np.uint8)
        tracker = OnlineTracker(Still(), TrackSettings())
        try:
            state = tracker.init_state(image, box)
        except DataError:
            return
        np.testing.assert_array_equal(state.bbox_xywh, np.array(box, float))
        x, y, w, h = tracker.track_step(image, state).bbox_xywh
        assert 0 <= x and 0 <= y and w >= 10 and h >= 10

    @pytest.mark.parametrize('image', [None, 0.5, [[1, 2]], 'frame.jpg'])
    def test_what_is_no_frame(self, image):
        with pytest.raises(ValueError, match='a frame must be an .*, but got builtins'):
            OnlineTracker(Still(), TrackSettings()).init_state(image, [1, 2, 3, 4])


class TestOptions:
    @quick
    @given(st.text(max_size=20), st.integers() | st.floats(-1e9, 1e9) | st.booleans())
    def test_values(self, key, value):
        if '=' in key or not key:
            return
        assert parse_options([f'{key}={value}']) == {key: value}

    @quick
    @given(st.lists(st.text(max_size=12), max_size=3))
    def test_any_text(self, texts):
        try:
            assert all(isinstance(key, str) and key for key in parse_options(texts))
        except DataError as error:
            assert str(error)
