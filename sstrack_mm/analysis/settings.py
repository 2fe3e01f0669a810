"""What to measure; free of torch, so that a command line is read at once."""

from dataclasses import dataclass, field

MODES = ('train', 'track', 'data', 'pipeline', 'file')
DTYPES = ('float32', 'bfloat16', 'float16', 'int8')
ENGINES = ('pytorch', 'onnxruntime')


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes:
        config: The configuration file.
        mode: ``'train'``, ``'track'``, ``'data'``, ``'pipeline'`` or ``'file'``.
        device: As PyTorch names it.
        dtype: What the network computes in: ``'float32'``, ``'bfloat16'``, ``'float16'``
            or, under ONNX Runtime alone, ``'int8'``. The baseline's is float32.
        engine: ``'pytorch'``, or ``'onnxruntime'`` to track with an exported network.
        batch_size: Clips in a training step or a batch of the loader.
        frames: Frames that a repeat of tracking takes.
        targets: Targets that are tracked at once.
        compile: Compile the network (not the baseline's).
        repeats: How often each side is measured.
        frame_size: Width and height of the procedural frames, pixels.
        keep_ratio: Share of the search tokens that candidate elimination keeps in
            training. 1, as in the first epochs, takes the most time and memory.
        cfg_options: Changes of the configuration.
    """

    config: str
    mode: str
    device: str = 'cpu'
    dtype: str = 'float32'
    engine: str = 'pytorch'
    batch_size: int = 2
    frames: int = 20
    targets: int = 1
    compile: bool = False
    repeats: int = 3
    frame_size: tuple[int, int] = (1280, 720)
    keep_ratio: float = 1.0
    cfg_options: dict = field(default_factory=dict)
