# Weights, gradients and the optimiser's state sharded over the GPUs (FSDP2).
runner_type = 'FlexibleRunner'
strategy = dict(type='sstrack_mm.engine.strategies.FullyShardStrategy')
