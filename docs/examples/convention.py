"""A convention of one's own: PyTracking's, without the frame that was given."""

from dataclasses import replace

from sstrack_mm.evaluation.conventions import CONVENTIONS

CONVENTIONS['mine'] = replace(
    CONVENTIONS['pytracking'],
    source='this example',
    first_is_truth=False,
    skip_first=True,
)
