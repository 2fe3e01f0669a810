"""FLOPs against the formulas."""

import pytest
import torch
from timm.models.vision_transformer import Block
from torch import nn

from sstrack_mm.analysis.flops import NetworkFlops, count_flops

WIDTH, DEPTH = 16, 4


def block_flops(num_tokens, width):
    """qkv and projection, the two products of attention, the MLP; two a multiply-add."""
    linear = 3 * width * width + width * width + 2 * 4 * width * width
    attention = 2 * num_tokens * width
    return 2 * num_tokens * (linear + attention)


@pytest.fixture(scope='module')
def network(default_scope, tracker_cfg):
    backbone = tracker_cfg['backbone'] | dict(elimination_layers=(2,))
    return NetworkFlops(tracker_cfg | dict(backbone=backbone))


def test_linear():
    layer = nn.Linear(5, 7)
    assert count_flops(lambda: layer(torch.zeros(3, 5))) == 2 * 3 * 5 * 7


def test_block_by_hand():
    block = Block(48, 3, qkv_bias=True)
    block.attn.fused_attn = False
    flops = count_flops(lambda: block(torch.zeros(1, 100, 48)))
    assert flops == block_flops(100, 48)


def test_pass_by_hand(network):
    """The patches, the blocks with their elimination, the query's product, the head."""
    before, search = 1 + 2 * 4, 16  # two templates of 2x2 patches
    patches = 2 * (before - 1 + search) * 3 * 16**2 * WIDTH
    blocks = 2 * block_flops(before + search, WIDTH)
    kept = 8  # of the 16, half
    # The third block attends to all of them, and then drops half.
    mlp = 2 * 2 * 4 * WIDTH * WIDTH
    blocks += block_flops(before + search, WIDTH) - mlp * (search - kept)
    blocks += block_flops(before + kept, WIDTH)
    product = 2 * search * WIDTH
    head = 0
    for outputs in (1, 2, 2):
        channels = [WIDTH, 8, 4, 2, 1]
        for cin, cout in zip(channels[:-1], channels[1:], strict=True):
            head += 2 * search * 9 * cin * cout
        head += 2 * search * channels[-1] * outputs
    assert network.of_pass(2, 0.5) == patches + blocks + product + head


def test_backward_costs_twice_the_forward(network):
    """But for the images, which need no gradient."""
    forward = network.of_pass(1, 1.0)
    both = network.of_pass(1, 1.0, backward=True)
    patches = 2 * (4 + 16) * 3 * 16**2 * WIDTH
    assert both == 3 * forward - patches
