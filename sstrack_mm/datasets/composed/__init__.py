"""Training clips composed of layers: cheap, endless, with exact boxes."""
