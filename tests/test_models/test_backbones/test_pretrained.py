"""Start weights from a masked autoencoder's file or a timm model."""

import argparse
import logging

import numpy as np
import pytest
import safetensors.torch
import timm
import torch

from sstrack_mm.errors import DataError
from sstrack_mm.models.backbones import SSTrackViT
from sstrack_mm.models.backbones import pretrained as module
from sstrack_mm.models.backbones.pretrained import resize_pos_embed

WIDTH, DEPTH = 24, 3


@pytest.fixture
def messages(monkeypatch):
    """What is logged."""
    logged = []
    monkeypatch.setattr(
        module,
        'print_log',
        lambda message, logger, level: logged.append((level, message)),
    )
    return logged


def build(checkpoint, **changes):
    torch.manual_seed(0)
    arguments = dict(
        embed_dims=WIDTH,
        depth=DEPTH,
        num_heads=2,
        template_size=64,
        search_size=96,
        elimination_layers=(1,),
        init_cfg=dict(type='Pretrained', checkpoint=str(checkpoint)),
    )
    backbone = SSTrackViT(**arguments | changes)
    backbone.init_weights()
    return backbone


def mae_state_dict(grid=14, prefix_tokens=1):
    """What a masked autoencoder's checkpoint has, in a smaller size."""
    torch.manual_seed(1)
    vit = timm.models.vision_transformer.VisionTransformer(
        img_size=16 * grid, embed_dim=WIDTH, depth=DEPTH, num_heads=2, num_classes=0
    )
    state_dict = {key: torch.randn_like(value) for key, value in vit.state_dict().items()}
    state_dict['pos_embed'] = torch.randn(1, prefix_tokens + grid**2, WIDTH)
    return state_dict | {
        'mask_token': torch.randn(1, 1, 12),
        'decoder_pos_embed': torch.randn(1, 1 + grid**2, 12),
        'decoder_embed.weight': torch.randn(12, WIDTH),
        'decoder_blocks.0.attn.qkv.weight': torch.randn(36, 12),
    }


@pytest.mark.parametrize('wrap', [True, False], ids=['model', 'plain'])
def test_mae_checkpoint(tmp_path, messages, wrap):
    state_dict = mae_state_dict()
    torch.save(
        {'model': state_dict, 'epoch': 1} if wrap else state_dict, tmp_path / 'mae.pth'
    )
    backbone = build(tmp_path / 'mae.pth')
    own = backbone.state_dict()
    for key, value in state_dict.items():
        if key in own:
            assert torch.equal(own[key], value), key
    grid = state_dict['pos_embed'][:, 1:]
    assert torch.equal(own['pos_embed_z'], resize_pos_embed(grid, 4))
    assert torch.equal(own['pos_embed_x'], resize_pos_embed(grid, 6))
    assert torch.equal(own['cls_pos_embed'], state_dict['pos_embed'][:, :1])
    assert backbone.missing_checkpoint is None
    # What did not match is told: nothing is there for the temporal embeddings, and the
    # decoder is dropped.
    text = '\n'.join(message for _, message in messages)
    assert f'loaded {len(own) - 2} of {len(own)} backbone weights' in text
    assert 'temporal_pos_embed_z, temporal_pos_embed_x' in text
    assert '4 weights of a decoder (dropped): mask_token, decoder_pos_embed' in text


@pytest.mark.parametrize('grid', [6, 14, 16])
@pytest.mark.parametrize('prefix_tokens', [0, 1])
def test_other_grids(tmp_path, messages, grid, prefix_tokens):
    state_dict = mae_state_dict(grid, prefix_tokens)
    torch.save({'model': state_dict}, tmp_path / 'mae.pth')
    backbone = build(tmp_path / 'mae.pth')
    pos_embed = state_dict['pos_embed'][:, prefix_tokens:]
    torch.testing.assert_close(backbone.pos_embed_x.data, resize_pos_embed(pos_embed, 6))
    if grid == 6:
        torch.testing.assert_close(backbone.pos_embed_x.data, pos_embed)


def test_resize_keeps_a_plane():
    """Bicubic, half-pixel centres: inside, a linear ramp stays one."""
    ramp = (torch.arange(14) + 0.5).repeat(14)[None, :, None] / 14
    resized = resize_pos_embed(ramp, 7).reshape(7, 7)
    expected = (torch.arange(7) + 0.5) / 7
    torch.testing.assert_close(resized[:, 1:-1], expected[1:-1].expand(7, -1))


def test_another_shape(tmp_path, messages):
    """No block starts in part from random weights."""
    state_dict = mae_state_dict()
    state_dict['blocks.1.mlp.fc1.weight'] = torch.zeros(7, WIDTH)
    torch.save({'model': state_dict}, tmp_path / 'mae.pth')
    message = (
        r'mae\.pth: does not fit the backbone: 1 of another shape '
        r'\(blocks\.1\.mlp\.fc1\.weight: \(7, 24\) in the file, \(96, 24\) here\)'
    )
    with pytest.raises(DataError, match=message):
        build(tmp_path / 'mae.pth')


def test_unknown_weights(tmp_path, messages):
    state_dict = mae_state_dict() | {'fc_norm.weight': torch.zeros(WIDTH)}
    torch.save({'model': state_dict}, tmp_path / 'mae.pth')
    build(tmp_path / 'mae.pth')
    text = '\n'.join(message for _, message in messages)
    assert 'unknown to the backbone (not loaded): fc_norm.weight' in text


def test_fewer_blocks(tmp_path):
    torch.save({'model': mae_state_dict()}, tmp_path / 'mae.pth')
    message = r'12 missing \(blocks\.3\.norm1\.weight, blocks\.3\.norm1\.bias, '
    with pytest.raises(DataError, match=message):
        build(tmp_path / 'mae.pth', depth=DEPTH + 1)


def test_what_training_programs_save(tmp_path, messages):
    """Beside the weights, as the published MAE and DropMAE files; and wrapped by DDP."""
    state_dict = {f'module.{key}': value for key, value in mae_state_dict().items()}
    beside = dict(args=argparse.Namespace(lr=1e-3), epoch=np.float32(800), scaler=None)
    torch.save({'model': state_dict, **beside}, tmp_path / 'mae.pth')
    own = build(tmp_path / 'mae.pth').state_dict()
    key = 'blocks.1.mlp.fc1.weight'
    assert torch.equal(own[key], state_dict[f'module.{key}'])


def test_safetensors(tmp_path, messages):
    state_dict = mae_state_dict()
    safetensors.torch.save_file(state_dict, tmp_path / 'mae.safetensors')
    own = build(tmp_path / 'mae.safetensors').state_dict()
    key = 'blocks.1.mlp.fc1.weight'
    assert torch.equal(own[key], state_dict[key])


def test_nothing_matches(tmp_path):
    torch.save({'model': {'encoder.layer1.weight': torch.zeros(3)}}, tmp_path / 'x.pth')
    with pytest.raises(
        DataError,
        match=r'x\.pth: does not fit.* 36 missing .*The file has encoder\.layer1\.weight',
    ):
        build(tmp_path / 'x.pth')


def test_other_width(tmp_path):
    torch.save({'model': mae_state_dict()}, tmp_path / 'mae.pth')
    with pytest.raises(DataError, match=r'44 of another shape \(cls_token: \(1, 1, 24\)'):
        build(tmp_path / 'mae.pth', embed_dims=48)


def test_missing_file(tmp_path, messages):
    """Reported at once; it matters only when training starts from it."""
    backbone = build(tmp_path / 'none.pth')
    assert backbone.missing_checkpoint == str(tmp_path / 'none.pth')
    assert [level for level, _ in messages] == [logging.WARNING]
    assert f'start weights {tmp_path / "none.pth"} not found' in messages[0][1]
    backbone.load_state_dict(backbone.state_dict())
    assert backbone.missing_checkpoint is None


def test_timm_model(tmp_path, monkeypatch, messages):
    """By its name; here with a file in place of the download."""
    source = timm.create_model('vit_tiny_patch16_224', num_classes=0)
    torch.save(source.state_dict(), tmp_path / 'timm.pth')
    create_model = timm.create_model

    def create_offline(name, pretrained, **kwargs):
        assert name == 'vit_tiny_patch16_224' and pretrained
        return create_model(
            name,
            pretrained=True,
            **kwargs,
            pretrained_cfg_overlay=dict(
                file=str(tmp_path / 'timm.pth'), num_classes=0, custom_load=False
            ),
        )

    monkeypatch.setattr(timm, 'create_model', create_offline)
    backbone = build('timm://vit_tiny_patch16_224', embed_dims=192, num_heads=3)
    for key in ('blocks.0.attn.qkv.weight', 'norm.bias', 'cls_token'):
        assert torch.equal(backbone.state_dict()[key], source.state_dict()[key])
    assert backbone.missing_checkpoint is None


def test_timm_without_network(monkeypatch, messages):
    """Reported, as a missing file is; a misspelt name stays an error."""

    def fail(*args, **kwargs):
        raise FileNotFoundError('no connection')

    monkeypatch.setattr(timm, 'create_model', fail)
    backbone = build('timm://vit_tiny_patch16_224', embed_dims=192, num_heads=3)
    assert backbone.missing_checkpoint == 'timm://vit_tiny_patch16_224'
    assert 'not found (no connection)' in messages[0][1]
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match='Unknown model'):
        build('timm://vit_teeny', embed_dims=192, num_heads=3)
