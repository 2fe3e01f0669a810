"""The network meets ``forward.npz`` and ``forward_384.npz`` to 1e-4."""

import numpy as np
import pytest
import torch
from mmtrack.apis import init_model

CASES = {
    f'templates{templates}/query{query}_keep{name}': (templates, query, keep_ratio)
    for templates in (1, 3)
    for query in (0, 1)
    for name, keep_ratio in (('test', 0.7), ('085', 0.85))
}


@pytest.fixture(scope='module')
def load_model(root, convert_published, tiny_options):
    """Builds the tiny version of a configuration with published weights."""
    return lambda config, checkpoint: init_model(
        str(root / 'configs' / config),
        str(convert_published(checkpoint)),
        'cpu',
        cfg_options=tiny_options,
    )


@pytest.fixture(scope='module')
def model_256(load_model):
    return load_model('sstrack_b256.py', 'official_tiny.pth')


def load_group(path, group):
    """The arrays of a file whose keys start with ``group/``, as tensors."""
    with np.load(path) as file:
        return {
            key.removeprefix(f'{group}/'): torch.from_numpy(file[key])
            for key in file
            if key.startswith(f'{group}/')
        }


@torch.no_grad()
def check_pass(model, templates, search, query, expected):
    """Run the network and compare everything that the reference holds."""
    output = model.backbone(templates.float(), search.float(), query)
    removed = torch.stack([(~kept).nonzero()[:, 0] for kept in output.kept])
    np.testing.assert_array_equal(removed, expected['removed'])

    step = output.search_tokens.shape[1] // expected['search_tokens'].shape[1]
    maps = model(
        dict(template=templates.float(), search=search.float(), query=query),
        mode='tensor',
    )
    bboxes_cxcywh_norm, scores = model.head.predict_by_feat(maps)
    actual = dict(
        maps,
        search_tokens=output.search_tokens[:, ::step],
        query_out=output.query,
        pred_boxes=bboxes_cxcywh_norm[:, None],
    )
    for key, value in actual.items():
        np.testing.assert_allclose(value, expected[key], rtol=0, atol=1e-4, err_msg=key)
    best = expected['score_map'].amax((1, 2, 3))
    np.testing.assert_allclose(scores, best, rtol=0, atol=1e-4)


def check_chosen_tokens(model, template_mask):
    """The template tokens that rank the search tokens are those of the masks."""
    num_templates = template_mask.shape[1] // model.backbone.template_grid**2
    rows = model.backbone._target_rows(num_templates, torch.device('cpu'))
    for mask in template_mask:
        # The query is the first token of the sequence.
        np.testing.assert_array_equal(rows - 1, mask.nonzero()[:, 0])


@pytest.mark.parametrize('case', CASES)
def test_forward_256(model_256, parity_dir, monkeypatch, case):
    num_templates, query, keep_ratio = CASES[case]
    if keep_ratio != 0.7:  # else as the configuration has it
        monkeypatch.setattr(model_256.backbone, 'keep_ratio', keep_ratio)
    path = parity_dir / 'forward.npz'
    inputs = load_group(path, f'forward/templates{num_templates}')
    check_chosen_tokens(model_256, inputs['template_mask'])
    check_pass(
        model_256,
        inputs['template'],
        inputs['search'],
        inputs['query'] if query else None,
        load_group(path, f'forward/{case}'),
    )


def test_forward_384(load_model, parity_dir):
    model = load_model('sstrack_b384.py', 'official_tiny_384.pth')
    group = load_group(parity_dir / 'forward_384.npz', 'forward')
    check_chosen_tokens(model, group['template_mask'])
    check_pass(model, group['template'], group['search'], group['query'], group)
