"""The backbone, against attention that is written out."""

import math

import pytest
import torch

from sstrack_mm.models.backbones import SSTrackViT

# Templates of 4x4 patches, search images of 6x6.
CONFIG = dict(
    embed_dims=24,
    depth=4,
    num_heads=3,
    template_size=64,
    search_size=96,
    elimination_layers=(1, 2),
    drop_path_rate=0.0,
)
NUM_SEARCH, TEMPLATE_TOKENS = 36, 16
CENTER = 1 * 4 + 1  # of a 4x4 grid: row 1, column 1


def build(**changes):
    torch.manual_seed(0)
    vit = SSTrackViT(**CONFIG | changes)
    for param in vit.parameters():
        if param.dim() > 1:  # far enough from 0 for a pronounced attention
            torch.nn.init.normal_(param, std=0.1)
    return vit


def make_inputs(batch=2, num_templates=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(batch, num_templates, 3, 64, 64, generator=generator),
        torch.randn(batch, 3, 96, 96, generator=generator),
        torch.randn(batch, 1, 24, generator=generator),
    )


def slow_forward(vit, templates, search, query, keep_ratio):
    """One image through the network, with every attention map and plain lists.

    Args:
        templates: (T, 3, h, w).
        search: (3, H, W).
        query: (1, C).

    Returns:
        tuple: (N, C) search tokens, (1, C) query, and the indices of the kept tokens.
    """
    start = vit.cls_token[0] + vit.cls_pos_embed[0] + query
    tokens = [start]
    for template in templates:
        tokens.append(
            vit.patch_embed(template[None])[0]
            + vit.pos_embed_z[0]
            + vit.temporal_pos_embed_z[0]
        )
    num_before = 1 + len(templates) * TEMPLATE_TOKENS
    tokens.append(
        vit.patch_embed(search[None])[0]
        + vit.pos_embed_x[0]
        + vit.temporal_pos_embed_x[0]
    )
    tokens = torch.cat(tokens)
    kept = list(range(NUM_SEARCH))
    rows = [1 + i * TEMPLATE_TOKENS + CENTER for i in range(len(templates))]
    for layer, block in enumerate(vit.blocks):
        attn, heads = block.attn, []
        qkv = attn.qkv(block.norm1(tokens)).reshape(len(tokens), 3, 3, 8)
        attention = []
        for head in range(3):
            q, k, v = qkv[:, 0, head], qkv[:, 1, head], qkv[:, 2, head]
            attention.append((q @ k.T / math.sqrt(8)).softmax(dim=1))
            heads.append(attention[-1] @ v)
        tokens = tokens + attn.proj(torch.cat(heads, dim=1))
        if layer in (1, 2):
            scores = sum(attention)[rows, num_before:].mean(dim=0).tolist()
            number = math.ceil(keep_ratio * len(kept))
            ranked = sorted(range(len(kept)), key=lambda i: -scores[i])
            chosen = sorted(ranked[:number])
            kept = [kept[i] for i in chosen]
            tokens = torch.cat(
                [tokens[:num_before], tokens[[num_before + i for i in chosen]]]
            )
        tokens = tokens + block.mlp(block.norm2(tokens))
    tokens = vit.norm(tokens)
    grid = torch.zeros(NUM_SEARCH, 24)
    grid[kept] = tokens[num_before:]
    return grid, tokens[:1], kept


class TestElimination:
    @pytest.mark.parametrize('keep_ratio', [1.0, 0.7, 0.34])
    @pytest.mark.parametrize('num_templates', [1, 3])
    @torch.no_grad()
    def test_equals_explicit_attention(self, keep_ratio, num_templates):
        vit = build().eval()
        templates, search, query = make_inputs(3, num_templates)
        output = vit(templates, search, query, keep_ratio)
        for i in range(3):
            tokens, query_out, kept = slow_forward(
                vit, templates[i], search[i], query[i], keep_ratio
            )
            assert output.kept[i].nonzero()[:, 0].tolist() == kept
            torch.testing.assert_close(
                output.search_tokens[i], tokens, rtol=1e-4, atol=1e-4
            )
            torch.testing.assert_close(output.query[i], query_out, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize('keep_ratio', [0.01, 0.3, 0.5, 0.7, 0.85, 0.99, 1.0])
    def test_number_kept(self, keep_ratio):
        output = build()(*make_inputs(), keep_ratio)
        first = math.ceil(keep_ratio * NUM_SEARCH)
        assert (output.kept.sum(dim=1) == math.ceil(keep_ratio * first)).all()

    def test_eliminated_are_zero(self):
        output = build()(*make_inputs(), 0.5)
        assert torch.equal(output.search_tokens.abs().sum(dim=2) > 0, output.kept)

    def test_ratio_of_the_mode(self):
        """The configured one in eval mode, the schedule's in training."""
        vit = build(keep_ratio=0.5)
        inputs = make_inputs()
        assert vit.train()(*inputs).kept.all()
        assert vit.eval()(*inputs).kept.sum() == 2 * 9
        vit.train_keep_ratio = 0.75
        assert vit.train()(*inputs).kept.sum() == 2 * math.ceil(0.75 * 27)

    def test_gradient(self):
        """It reaches everything through the tokens that are left."""
        vit = build()
        output = vit(*make_inputs(), 0.5)
        (output.search_tokens.sum() + output.query.sum()).backward()
        assert all(param.grad is not None for param in vit.parameters())


class TestTokens:
    def test_batch_equals_singles(self):
        vit = build().eval()
        inputs = make_inputs(4)
        output = vit(*inputs)
        for i in range(4):
            single = vit(*(value[i : i + 1] for value in inputs))
            torch.testing.assert_close(single.search_tokens[0], output.search_tokens[i])
            torch.testing.assert_close(single.query[0], output.query[i])
            assert torch.equal(single.kept[0], output.kept[i])

    def test_order_of_templates(self):
        """All templates have the same position embeddings: their order says nothing."""
        vit = build().eval()
        templates, search, query = make_inputs(num_templates=3)
        output = vit(templates, search, query)
        other = vit(templates[:, [2, 0, 1]], search, query)
        torch.testing.assert_close(output.search_tokens, other.search_tokens)

    def test_no_query_is_zero_query(self):
        vit = build().eval()
        templates, search, query = make_inputs()
        assert torch.equal(
            vit(templates, search).search_tokens,
            vit(templates, search, torch.zeros_like(query)).search_tokens,
        )
        assert not torch.equal(
            vit(templates, search).search_tokens,
            vit(templates, search, query).search_tokens,
        )

    def test_input_is_left_alone(self):
        inputs = make_inputs()
        copies = [value.clone() for value in inputs]
        build()(*inputs)
        for value, copy in zip(inputs, copies, strict=True):
            assert torch.equal(value, copy)


class TestCheckpointing:
    @pytest.mark.parametrize('drop_path_rate', [0.0, 0.5])
    def test_same_gradients_from_blocks_run_twice(self, drop_path_rate):
        gradients = []
        for with_cp in (False, True):
            vit = build(with_cp=with_cp, drop_path_rate=drop_path_rate).train()
            vit.train_keep_ratio = 0.7
            calls = []
            vit.blocks[1].register_forward_pre_hook(
                lambda *_, calls=calls: calls.append(1)
            )
            torch.manual_seed(3)
            output = vit(*make_inputs())
            (output.search_tokens.square().sum() + output.query.sum()).backward()
            assert len(calls) == 1 + with_cp
            gradients.append([p.grad for p in vit.parameters() if p.grad is not None])
        for plain, again in zip(*gradients, strict=True):
            torch.testing.assert_close(again, plain)

    def test_only_in_training(self):
        vit = build(with_cp=True).eval()
        calls = []
        vit.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
        vit(*make_inputs()).query.sum().backward()
        assert len(calls) == 1


class TestBuilding:
    def test_without_temporal_embedding(self):
        """The twin's network: its checkpoints have no such weights."""
        vit = build(temporal_embed=False)
        assert not any('temporal' in key for key in vit.state_dict())
        assert vit(*make_inputs()).search_tokens.shape == (2, NUM_SEARCH, 24)

    def test_stem_features(self):
        templates, search, query = make_inputs()
        assert build()(templates, search, query).fine is None
        fine = build(stem='conv')(templates, search, query).fine
        assert fine.shape == (2, 16, 12, 12)  # twice the grid of 6 x 6

    def test_tied_attention(self):
        vit = SSTrackViT(**CONFIG | dict(tied_attention=True))
        vit.init_weights()
        for block in vit.blocks:
            queries, keys, values = block.attn.qkv.weight.chunk(3)
            assert torch.equal(queries, keys) and not torch.equal(queries, values)

    def test_conv_stem(self):
        vit = build(stem='conv')
        output = vit(*make_inputs())
        assert output.search_tokens.shape == (2, NUM_SEARCH, 24)
        output.search_tokens.sum().backward()
        convs = [
            module
            for module in vit.patch_embed.modules()
            if isinstance(module, torch.nn.Conv2d)
        ]
        assert [conv.stride for conv in convs] == [(2, 2)] * 4
        assert all(conv.weight.grad.any() for conv in convs)

    def test_drop_path_rises(self):
        blocks = build(drop_path_rate=0.3).blocks
        rates = [getattr(block.drop_path1, 'drop_prob', 0.0) for block in blocks]
        assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])

    def test_start_weights(self):
        torch.manual_seed(0)
        vit = SSTrackViT(**CONFIG | dict(embed_dims=384))
        vit.init_weights()
        for name, std in (
            ('pos_embed_x', 0.02),
            ('temporal_pos_embed_x', 1.0),
            ('temporal_pos_embed_z', 1.0),
        ):
            assert vit.get_parameter(name).std().item() == pytest.approx(std, rel=0.15)
        assert vit.norm.eps == vit.blocks[0].norm1.eps == 1e-6

    @pytest.mark.parametrize(
        'changes, message',
        [
            (
                dict(num_heads=5),
                r'embed_dims \(24\) must be a multiple of num_heads \(5\)',
            ),
            (
                dict(search_size=100),
                r'search_size \(100\) must be a multiple of patch_size',
            ),
            (dict(template_size=40), r'template_size \(40\) must be a multiple'),
            (dict(keep_ratio=0), 'keep_ratio must be in .* but got 0'),
            (dict(keep_ratio=1.1), 'keep_ratio must be in .* but got 1.1'),
            (dict(drop_path_rate=2), 'drop_path_rate must be in .* but got 2'),
            (dict(stem='linear'), "stem must be 'patch' or 'conv', but got 'linear'"),
            (dict(stem='conv', patch_size=8), 'stride of 16, but patch_size=8'),
            (dict(init_cfg=dict(type='Pretrained')), 'init_cfg must be None or'),
        ],
    )
    def test_bad_arguments(self, changes, message):
        with pytest.raises(ValueError, match=message):
            SSTrackViT(**CONFIG | changes)
