"""The template memory keeps what is needed, and nothing else."""

import pytest

from sstrack_mm.structures.memory import TemplateMemory, template_indices

LAST_FRAME = 2000


@pytest.mark.parametrize('size', [1, 2, 3, 4, 7])
def test_keeps_what_is_asked_for_later(size):
    last_asked = {}
    for frame_id in range(1, (2 * LAST_FRAME + 4) * size):
        last_asked.update(dict.fromkeys(template_indices(frame_id, size), frame_id))
    memory = TemplateMemory(size)
    memory.add(0, 0)
    for frame_id in range(1, LAST_FRAME + 1):
        # Crops that hold the number of their frame
        assert memory.templates(frame_id) == template_indices(frame_id, size)
        memory.add(frame_id, frame_id)
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
        memory.add(0, 0)
    fits = True
    for frame_id in range(1, LAST_FRAME + 1):
        wanted = exact.templates(frame_id)
        found = bounded.templates(frame_id)
        assert found[0] == 0 and len(set(found)) == len(found) == len(wanted)
        distance = max(abs(a - b) for a, b in zip(wanted, found, strict=True))
        assert distance <= frame_id / budget
        assert distance == 0 or not fits
        for memory in (exact, bounded):
            memory.add(frame_id, frame_id)
        fits = fits and len(exact.crops) <= budget
        assert len(bounded.crops) <= budget


def test_budget_too_small():
    with pytest.raises(ValueError, match='None or at least 7 for memory_size=3'):
        TemplateMemory(3, 6)
