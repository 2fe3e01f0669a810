"""The trained network outside PyTorch."""
