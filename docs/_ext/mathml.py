"""Formulas as MathML, which browsers draw themselves: no script, no network."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html import HTMLTranslator


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_html_math_renderer('mathml', (write_inline, None), (write_block, None))
    return dict(parallel_read_safe=True)


def write_inline(writer: HTMLTranslator, node: nodes.math) -> None:
    """A formula in a line."""
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def write_block(writer: HTMLTranslator, node: nodes.math_block) -> None:
    """A formula of its own."""
    writer.body.append(convert(node.astext(), display='block'))
    raise nodes.SkipNode
