"""First boxes from what a tracker's own backbone tells apart.

The tokens of a frame are cut in two, so that those of one part are like each other and
unlike those of the other part: the normalised cut, as TokenCut
(https://arxiv.org/abs/2202.11539) makes it.
"""

import functools
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from mmtrack.registry import MODELS, TASK_UTILS
from scipy.linalg import eigh

from sstrack_mm import zoo
from sstrack_mm.configuration import read_config
from sstrack_mm.datasets.proposals import Frames, Places
from sstrack_mm.errors import DataError
from sstrack_mm.weights import load_weights

if TYPE_CHECKING:
    from sstrack_mm.models.trackers.one_stream import OneStreamTracker

_UNLIKE = 1e-5


@TASK_UTILS.register_module()
class FeaturesProposer:
    """What the backbone of a tracker sees as an object.

    A frame is cut into search windows, whose tokens are cut in two; connected regions of
    the part that stands out are targets, one of them drawn by how much it does. The
    network is loaded at the first use, by each data-loading worker for itself, and
    computes there in float32; nothing of it is trained.

    Args:
        config: Configuration of the tracker, or its name in the zoo.
        checkpoint: Its weights; None for those of the zoo.
        windows: How many search windows span the longer side of a frame.
        min_similarity: Tokens are alike whose cosine is above this.
        area: Least and largest area of a region's box over that of the frame.
    """

    def __init__(
        self,
        config: str = 'sstrack-tiny',
        checkpoint: str | None = None,
        windows: int = 3,
        min_similarity: float = 0.4,
        area: tuple[float, float] = (0.002, 0.2),
    ) -> None:
        if windows < 1 or not -1 < min_similarity < 1 or not 0 < area[0] < area[1] <= 1:
            raise ValueError(
                'expected windows >= 1, -1 < min_similarity < 1 and 0 < area[0] < '
                f'area[1] <= 1, but got {windows}, {min_similarity} and {area}'
            )
        self.config = config
        self.checkpoint = checkpoint
        self.windows = windows
        self.min_similarity = min_similarity
        self.area = area

    def propose(
        self, rng: np.random.Generator, frames: Frames, places: Places
    ) -> np.ndarray | None:
        """See :class:`~sstrack_mm.datasets.proposals.Proposer`."""
        model = _load_model(self.config, self.checkpoint)
        tokens = embed_frame(model, frames[0], self.windows)
        strength = cut_in_two(tokens, self.min_similarity)
        bboxes_xywh, strengths = self._find_regions(strength)
        if not len(bboxes_xywh):
            return None
        chosen = rng.choice(len(bboxes_xywh), p=strengths / strengths.sum())
        height, width = frames[0].shape[:2]
        token_wh = np.array([width / tokens.shape[1], height / tokens.shape[0]])
        return bboxes_xywh[chosen] * np.tile(token_wh, 2)

    def _find_regions(self, strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 4) xywh boxes of connected regions, in tokens, and (N,) their strength."""
        inside = (strength > 0).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
        bboxes_xywh = stats[:, :4].astype(float)
        strengths = np.bincount(labels.ravel(), strength.ravel(), len(stats))
        share = bboxes_xywh[:, 2:].prod(axis=1) / strength.size
        low, high = bboxes_xywh[:, :2], bboxes_xywh[:, :2] + bboxes_xywh[:, 2:]
        good = (
            (share >= self.area[0])
            & (share <= self.area[1])
            # What is cut by the border is rarely a whole object.
            & (low > 0).all(axis=1)
            & (high < strength.shape[::-1]).all(axis=1)
        )
        good[0] = False  # the background
        return bboxes_xywh[good], strengths[good]


@functools.lru_cache(maxsize=1)
def _load_model(config: str, checkpoint: str | None) -> 'OneStreamTracker':
    """A tracker on the CPU; the random numbers of a run stay what they are.

    Raises:
        DataError: There are no weights, or they do not fit.
    """
    path, weights = zoo.resolve(config, checkpoint)
    if weights is None:
        raise DataError(
            f'FeaturesProposer(config={config!r}) needs a checkpoint: only a model of '
            'the zoo, such as sstrack-tiny, brings its own'
        )
    cfg = read_config(path, {'model.backbone.init_cfg': None})
    with torch.random.fork_rng(devices=[]):
        model = MODELS.build(cfg.model)
    load_weights(model, weights)
    return model.eval()


@torch.no_grad()
def embed_frame(model: 'OneStreamTracker', frame: np.ndarray, windows: int) -> np.ndarray:
    """The backbone's tokens of a frame, in search windows side by side.

    Each window is looked at with the whole frame as its template.

    Args:
        model: In eval mode.
        frame: (H, W, 3) uint8 RGB.
        windows: How many windows span the longer side.

    Returns:
        np.ndarray: (h, w, C) float64. What tokens at the same place of all windows have
        in common, mostly their position, is taken out.
    """
    side, grid = model.search_size, model.backbone.search_grid
    shape = np.array(frame.shape[:2])
    rows, columns = np.maximum(np.rint(shape * windows / shape.max()), 1).astype(int)
    size = (int(columns) * side, int(rows) * side)
    image = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    image = image.reshape(rows, side, columns, side, 3).transpose(0, 2, 4, 1, 3)
    search = torch.from_numpy(image.reshape(-1, 3, side, side).copy())
    small = cv2.resize(frame, (model.template_size,) * 2, interpolation=cv2.INTER_AREA)
    template = torch.from_numpy(small).permute(2, 0, 1)[None, None]
    normalize = model.data_preprocessor.normalize
    found = model.backbone(
        normalize(template).expand(len(search), -1, -1, -1, -1),
        normalize(search),
        keep_ratio=1.0,
    )
    tokens = found.search_tokens.double().numpy()
    if len(tokens) > 1:
        tokens = tokens - tokens.mean(axis=0)
    tokens = tokens.reshape(rows, columns, grid, grid, -1).transpose(0, 2, 1, 3, 4)
    return tokens.reshape(rows * grid, columns * grid, -1)


def cut_in_two(tokens: np.ndarray, min_similarity: float) -> np.ndarray:
    """Tell the tokens of an object from the others by the normalised cut.

    Args:
        tokens: (h, w, C).
        min_similarity: Tokens are alike whose cosine is above this.

    Returns:
        np.ndarray: (h, w), how far a token is on the side of the one that stands out
        most; 0 on the other side.
    """
    flat = tokens.reshape(-1, tokens.shape[-1])
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    alike = np.where(flat @ flat.T > min_similarity, 1.0, _UNLIKE)
    root = np.sqrt(alike.sum(axis=1))
    second = [len(flat) - 2] * 2
    vector = eigh(alike / np.outer(root, root), subset_by_index=second)[1][:, 0] / root
    strength = vector - vector.mean()
    strength *= np.sign(strength[np.abs(vector).argmax()])
    return np.maximum(strength, 0).reshape(tokens.shape[:2])
