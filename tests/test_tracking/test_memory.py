"""The template memory keeps what is needed, and nothing else."""

import pytest

from sstrack_mm.errors import DataError
from sstrack_mm.tracking.memory import TemplateMemory, template_indices

LAST_FRAME = 2000


@pytest.mark.parametrize('size', [1, 2, 3, 4, 7])
def test_keeps_what_is_asked_for_later(size):
    last_asked = {}
    for frame_id in range(1, (2 * LAST_FRAME + 4) * size):
        last_asked.update(dict.fromkeys(template_indices(frame_id, size), frame_id))
    memory = TemplateMemory(size)
    memory.add(0)
    for frame_id in range(1, LAST_FRAME + 1):
        # Crops that hold the number of their frame
        wanted = template_indices(frame_id, size)
        assert memory.templates() == wanted and memory.num_templates == len(wanted)
        memory.add(frame_id)
        assert set(memory.crops) == {
            i for i in range(frame_id + 1) if last_asked.get(i, 0) > frame_id
        }


@pytest.mark.parametrize('size', [1, 2, 3, 4, 7])
def test_indices(size):
    """Sorted, of the past, the first frame always among them, about `size` of them."""
    for frame_id in range(1, LAST_FRAME):
        indices = template_indices(frame_id, size)
        assert indices[0] == 0 and indices[-1] < frame_id
        assert indices == sorted(set(indices))
        assert min(frame_id, size) <= len(indices) <= size + 1


@pytest.mark.parametrize('size', [1, 2, 3, 4, 7])
@pytest.mark.parametrize('extra', [1, 2, 20])
def test_budget(size, extra):
    """Never more crops than that; the exact ones first, near ones later."""
    budget = 2 * size + extra
    exact, bounded = TemplateMemory(size), TemplateMemory(size, budget)
    for memory in (exact, bounded):
        memory.add(0)
    fits = True
    for frame_id in range(1, LAST_FRAME + 1):
        wanted = exact.templates()
        found = bounded.templates()
        assert found[0] == 0 and len(set(found)) == len(found) == len(wanted)
        distance = max(abs(a - b) for a, b in zip(wanted, found, strict=True))
        assert distance <= frame_id / budget
        assert distance == 0 or not fits
        for memory in (exact, bounded):
            memory.add(frame_id)
        fits = fits and len(exact.crops) <= budget
        assert len(bounded.crops) <= budget


@pytest.mark.parametrize(
    'size, budget, message',
    [
        (3, 6, 'memory_budget must be None or at least 7 for memory_size=3, but got 6'),
        (3, 8.0, r'memory_budget must be .* but got 8\.0'),
        (0, None, 'memory_size must be a positive whole number, but got 0'),
        (2.5, None, r'memory_size must be a positive whole number, but got 2\.5'),
    ],
)
def test_bad_values(size, budget, message):
    with pytest.raises(DataError, match=message):
        TemplateMemory(size, budget)
