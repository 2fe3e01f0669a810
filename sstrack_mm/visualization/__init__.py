"""Pictures: boxes on frames, plots, and the page that compares trackers."""
