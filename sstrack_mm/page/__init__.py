"""A page in the browser: draw boxes, watch the tracking, correct it, take it away."""
