"""The training command: its options, its checks, resuming, several processes."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch

from sstrack_mm.checkpoints import read_checkpoint, write_checkpoint
from sstrack_mm.errors import DataError

pytestmark = pytest.mark.usefixtures('default_scope')

# The tiny network with which a CPU trains the paper's configuration.
TINY = [
    'model.backbone.embed_dims=48',
    'model.backbone.num_heads=3',
    'model.head.feat_channels=32',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=1',
]
FROM_RANDOM = 'model.backbone.init_cfg=None'
KILLED_CONFIG = """
_base_ = '{config}'

custom_imports = dict(
    imports=[
        'sstrack_mm.models', 'sstrack_mm.datasets', 'sstrack_mm.engine', 'kill_hook'],
    allow_failed_imports=False)
default_hooks = dict(kill=dict(type='KillHook', iteration={iteration}, ranks={ranks}))
"""
TWIN_CONFIG = """
_base_ = '{base}'

train_dataloader = dict(dataset=dict(
    datasets=[dict(type='GOT10kSequences', data_root=f'{{_base_.data_root}}/got10k',
                   split='train')],
    weights=None))
"""
KILL_HOOK = """
import os
import signal

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillHook(Hook):

    def __init__(self, iteration, ranks):
        self.iteration, self.ranks = iteration, ranks

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        samples = [sample.metainfo for sample in data_batch['data_samples']]
        with open(f'{runner.work_dir}/clips_{runner.iter}.txt', 'a') as file:
            for sample in samples:
                file.write(f"{sample['video']} {sample['frame_ids']}\\n")
        if runner.iter == self.iteration and get_rank() in self.ranks:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope='module')
def train(load_tool):
    return load_tool('train.py')


@pytest.fixture
def config(root):
    return str(root / 'configs' / 'sstrack_b256_got10k.py')


@pytest.fixture
def parse(train, monkeypatch, config):
    """The configuration that a command line leads to."""
    monkeypatch.delenv('LOCAL_RANK', raising=False)

    def parse(*args):
        monkeypatch.setattr(sys, 'argv', ['train.py', config, *map(str, args)])
        return train.make_config(train.parse_args())

    return parse


@pytest.fixture
def run(train, monkeypatch, tmp_path, config):
    """Trains in this process, one small batch."""
    monkeypatch.delenv('LOCAL_RANK', raising=False)

    def run(data_root, *options, config=config, args=(), tiny=TINY):
        monkeypatch.setenv('SSTRACK_DATA_ROOT', str(data_root))
        monkeypatch.setattr(
            sys,
            'argv',
            [
                'train.py',
                str(config),
                '--work-dir',
                str(tmp_path / 'work'),
                *map(str, args),
                '--cfg-options',
                *tiny,
                # A log of its own, though another test began in the same second.
                f'experiment_name={tmp_path.name}',
                'train_dataloader.batch_size=2',
                'train_dataloader.num_workers=0',
                'train_cfg.max_epochs=1',
                'train_dataloader.sampler.samples_per_epoch=2',
                *options,
            ],
        )
        train.main()

    return run


class TestOptions:
    def test_defaults(self, parse):
        cfg = parse()
        assert cfg.work_dir == 'work_dirs/sstrack_b256_got10k'
        assert cfg.optim_wrapper.type == 'OptimWrapper' and cfg.launcher == 'none'
        assert not cfg.resume and not cfg.auto_scale_lr.enable
        assert os.environ['LOCAL_RANK'] == '0'

    def test_options(self, parse, monkeypatch):
        monkeypatch.setenv('RANK', '3')  # as torchrun sets it
        cfg = parse(
            '--work-dir',
            'here',
            '--auto-scale-lr',
            '--launcher',
            'pytorch',
            '--local_rank',
            3,
            '--cfg-options',
            'randomness.seed=7',
            FROM_RANDOM,
        )
        assert (cfg.work_dir, cfg.launcher, cfg.randomness.seed) == ('here', 'pytorch', 7)
        assert cfg.auto_scale_lr.enable and cfg.model.backbone.init_cfg is None
        assert os.environ['LOCAL_RANK'] == '3'

    def test_amp_without_gpu(self, parse, monkeypatch):
        monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
        with pytest.raises(DataError, match='--amp: there is no GPU here'):
            parse('--amp')

    def test_amp(self, parse, monkeypatch):
        monkeypatch.setattr('mmengine.device.get_device', lambda: 'cuda')
        cfg = parse('--amp')
        assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
        assert cfg.optim_wrapper.loss_scale == 'dynamic'
        assert cfg.optim_wrapper.clip_grad.max_norm == 0.1

    def test_resume(self, parse, tmp_path):
        checkpoint = tmp_path / 'epoch_1.pth'
        checkpoint.touch()
        cfg = parse('--resume', checkpoint)
        assert cfg.resume and cfg.load_from == str(checkpoint)

    def test_resume_from_the_last(self, parse, tmp_path):
        args = ('--work-dir', tmp_path / 'work', '--resume')
        start = f'load_from={tmp_path / "start.pth"}'
        (tmp_path / 'start.pth').touch()
        cfg = parse(*args, '--cfg-options', start)
        # A run that has saved nothing yet starts as its configuration says.
        assert not cfg.resume and cfg.load_from == str(tmp_path / 'start.pth')

        (tmp_path / 'work').mkdir()
        (tmp_path / 'work' / 'last_checkpoint').write_text('/elsewhere/epoch_3.pth')
        with pytest.raises(
            DataError, match=r'names /elsewhere/epoch_3\.pth, which is not'
        ):
            parse(*args)
        (tmp_path / 'work' / 'epoch_3.pth').touch()
        cfg = parse(*args, '--cfg-options', start)
        assert cfg.resume and cfg.load_from == str(tmp_path / 'work' / 'epoch_3.pth')

    def test_no_start(self, parse):
        with pytest.raises(DataError, match=r'load_from=https://x/y\.pth: no such file'):
            parse('--cfg-options', 'load_from=https://x/y.pth')

    def test_no_workers(self, parse):
        """Where there are none, none can persist."""
        loader = parse('--cfg-options', 'train_dataloader.num_workers=0').train_dataloader
        assert not loader.persistent_workers
        assert parse().train_dataloader.persistent_workers

    def test_help(self, parse, capsys):
        with pytest.raises(SystemExit) as error:
            parse('--help')
        assert error.value.code == 0
        shown = capsys.readouterr().out
        for option in (
            '--work-dir',
            '--amp',
            '--resume',
            '--auto-scale-lr',
            '--cfg-options',
            '--launcher',
            'configs/sstrack_b256.py',
        ):
            assert option in shown


class TestBadInput:
    @pytest.mark.parametrize(
        'args, message',
        [
            (['--resume', 'none.pth'], 'no such checkpoint: none.pth'),
            (['--launcher', 'mpi'], "invalid choice: 'mpi'"),
            (['--unknown'], 'unrecognized arguments: --unknown'),
        ],
    )
    def test_arguments(self, parse, capsys, args, message):
        with pytest.raises(SystemExit) as error:
            parse(*args)
        assert error.value.code == 2 and message in capsys.readouterr().err

    def test_no_such_configuration(self, train, monkeypatch, capsys):
        monkeypatch.setattr(sys, 'argv', ['train.py', 'configs/none.py'])
        with pytest.raises(SystemExit):
            train.parse_args()
        assert 'no such configuration: configs/none.py' in capsys.readouterr().err

    def test_name_of_the_zoo(self, train, root, monkeypatch):
        monkeypatch.setattr(sys, 'argv', ['train.py', 'sstrack-b256'])
        assert train.parse_args().config == str(root / 'configs' / 'sstrack_b256.py')

    def test_no_training_in_it(self, train, monkeypatch):
        monkeypatch.setattr(sys, 'argv', ['train.py', 'sstrack-tiny'])
        message = r'sstrack_tiny\.py: has no train_dataloader, so it tracks'
        with pytest.raises(DataError, match=message):
            train.make_config(train.parse_args())

    def test_missing_data(self, run, tmp_path):
        with pytest.raises(
            DataError,
            match=r'none/got10k: no such folder.*'
            r'GOT-?10k.*SSTRACK_DATA_ROOT',
        ):
            run(tmp_path / 'none', FROM_RANDOM)

    def test_missing_start_weights(self, run, synthetic_root):
        message = r'start weights .*mae\.pth not found.*model\.backbone\.init_cfg=None'
        with pytest.raises(FileNotFoundError, match=message):
            run(synthetic_root, 'model.backbone.init_cfg.checkpoint=mae.pth')

    @pytest.mark.parametrize(
        'option', ['optim_wrapper.type=Nope', 'optim_wrapper.optimizer.lr=abc']
    )
    def test_what_the_runner_cannot_build(self, run, synthetic_root, option):
        with pytest.raises(DataError, match=r'got10k\.py: cannot be built'):
            run(synthetic_root, FROM_RANDOM, option)

    def test_nan_loss(self, run, synthetic_root, tmp_path):
        """It stops with the iteration and the names of the samples."""
        message = (
            r'the loss of iteration 1 \(epoch 1\) is nan.*'
            r'GOT-10k_Train_00000\d frames \[0, \d, \d, \d\]'
        )
        with pytest.raises(FloatingPointError, match=message):
            run(synthetic_root, FROM_RANDOM, 'model.head.loss_bbox.loss_weight=nan')
        assert not list((tmp_path / 'work').glob('*.pth'))

    def test_distributed_without_arguments(self, root):
        result = subprocess.run(
            ['bash', str(root / 'tools' / 'dist_train.sh')],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 2
        assert 'bash tools/dist_train.sh CONFIG N' in result.stderr


class TestOtherConfigurations:
    """A step of those that have parts of their own."""

    def test_twin(self, run, root, synthetic_root, tmp_path):
        """Supervised, on the one of its data sets that is here."""
        (tmp_path / 'twin.py').write_text(
            TWIN_CONFIG.format(base=root / 'configs' / 'odtrack_b384.py')
        )
        run(synthetic_root, FROM_RANDOM, config=tmp_path / 'twin.py')
        checkpoint = read_checkpoint(tmp_path / 'work' / 'epoch_1.pth')
        assert not any('temporal' in key for key in checkpoint['state_dict'])

    def test_tiny(self, run, root, synthetic_root, tmp_path):
        """With the optional loss on the forward frames of synthesised clips."""
        run(
            synthetic_root,
            'model.train_cfg.forward_loss_weight=1',
            'train_dataloader.dataset.pipeline.0.synthesis_prob=1',
            config=root / 'configs' / 'sstrack_tiny_synthetic.py',
        )
        checkpoint = read_checkpoint(tmp_path / 'work' / 'epoch_1.pth')
        scalars = checkpoint['message_hub']['log_scalars']
        assert scalars['train/loss_forward'].current() > 0


class TestLoading:
    """What a run starts or goes on from, on the checkpoint of a training."""

    @pytest.fixture
    def run_tiny(self, run, root, synthetic_root):
        """As the fixture ``trained`` was."""
        config = root / 'configs' / 'sstrack_tiny_synthetic.py'

        def run_tiny(*options, args=()):
            run(
                synthetic_root,
                'train_dataloader.sampler.samples_per_epoch=4',
                *options,
                args=args,
                config=config,
                tiny=(),
            )

        return run_tiny

    @pytest.mark.parametrize(
        ('option', 'message'),
        [
            (
                'train_cfg.max_epochs=2',
                r'the learning rate here \(param_scheduler, train_cfg\.max_epochs\): '
                r'\S+ there, \S+ here',
            ),
            (
                'optim_wrapper.optimizer.lr=1e-4',
                r'optim_wrapper\.optimizer\.lr\): 0\.001 there, 0\.0001 here',
            ),
            (
                'optim_wrapper.optimizer.weight_decay=0',
                r'weight_decay: 0\.0001 there, 0\.0 h',
            ),
            ('randomness.seed=5', r'randomness\.seed: 0 there, 5 here'),
            ('train_dataloader.batch_size=1', r'samples_per_epoch\): 2 there, 4 here'),
            ('model.backbone.depth=5', r'12 unexpected \(backbone\.blocks\.5'),
        ],
    )
    def test_resume_of_another_run(self, run_tiny, trained, tmp_path, option, message):
        """Refused, since the checkpoint would overrule the configuration in silence."""
        with pytest.raises(DataError, match=rf'epoch_1\.pth: .*{message}'):
            run_tiny(option, args=['--resume', trained])
        assert not list((tmp_path / 'work').glob('*.pth'))

    def test_adapters_go_on(self, run_tiny, trained, tmp_path):
        """To the bit; on other adapters, or without any, it is another run."""
        adapters, start = 'model.lora.rank=2', f'load_from={trained}'
        run_tiny(adapters, start, 'train_cfg.max_epochs=2')
        work = tmp_path / 'work'
        whole = read_checkpoint(work / 'epoch_2.pth')['state_dict']
        first = read_checkpoint(work / 'epoch_1.pth')['state_dict']
        (work / 'epoch_2.pth').unlink()
        half = ('train_cfg.max_epochs=2', '--resume', work / 'epoch_1.pth')
        for option, message in [
            ('model.lora=None', r'unexpected .*set model\.lora\.rank as it was'),
            ('model.lora.rank=3', r'of another shape .*lora_A'),
        ]:
            with pytest.raises(DataError, match=message):
                run_tiny(option, half[0], args=half[1:])
        with pytest.raises(DataError, match=r'groups of parameters: \d+ there, \d+ here'):
            run_tiny(adapters, args=['--resume', trained])
        run_tiny(adapters, half[0], args=half[1:])
        resumed = read_checkpoint(work / 'epoch_2.pth')['state_dict']
        for name, value in whole.items():
            assert torch.equal(resumed[name], value), name
        name = 'backbone.blocks.0.attn.qkv.lora_B.default.weight'
        assert not torch.equal(whole[name], first[name])

    def test_resume_from_weights(self, run_tiny, trained, tmp_path):
        weights = read_checkpoint(trained)['state_dict']
        write_checkpoint(dict(state_dict=weights), tmp_path / 'x.safetensors')
        message = (
            r'x\.safetensors: has no meta, optimizer, message_hub.*'
            r'--cfg-options load_from=\S+x\.safetensors'
        )
        with pytest.raises(DataError, match=message):
            run_tiny(args=['--resume', tmp_path / 'x.safetensors'])

    def test_resume_after_the_end(self, run_tiny, trained, tmp_path):
        run_tiny(args=['--resume', trained])
        log = next((tmp_path / 'work').glob('*/*.log')).read_text()
        assert 'epoch_1.pth: this run has ended, after 1 of 1 epochs' in log
        assert not list((tmp_path / 'work').glob('*.pth'))

    def test_load_from(self, run_tiny, trained, tmp_path):
        """All weights, from safetensors too; or all but those of named parts."""
        trained_weights = read_checkpoint(trained)['state_dict']
        path = tmp_path / 'x.safetensors'
        write_checkpoint(dict(state_dict=trained_weights), path)
        narrow = (f'load_from={path}', 'model.head.feat_channels=32')
        message = (
            r'x\.safetensors: does not fit .*; parts that may start fresh: .*\[head\]'
        )
        with pytest.raises(DataError, match=message):
            run_tiny(*narrow)
        still = 'optim_wrapper.optimizer.lr=1e-6'
        run_tiny(*narrow, still, 'default_hooks.strict_load.fresh=[head]')
        weights = read_checkpoint(tmp_path / 'work' / 'epoch_1.pth')['state_dict']
        key = 'backbone.blocks.5.mlp.fc1.weight'
        assert torch.allclose(weights[key], trained_weights[key], atol=1e-4)
        assert weights['head.score_branch.0.conv.weight'].shape[0] == 32

    def test_less_than_a_batch(self, run_tiny):
        message = 'an epoch has 1 samples for each process, less than a batch of 2'
        with pytest.raises(DataError, match=message):
            run_tiny('train_dataloader.sampler.samples_per_epoch=1')


class Command:
    """A command that runs as a process group of its own."""

    def __init__(self, command, folder, data_root):
        environment = {
            **os.environ,
            'OMP_NUM_THREADS': '1',
            'SSTRACK_DATA_ROOT': str(data_root),
            'PYTHONPATH': f'{folder}:{os.environ.get("PYTHONPATH", "")}',
            'TRAINED_IN': str(folder),
        }
        self.folder = folder
        # A file, since workers that outlive a killed process would keep a pipe open.
        self.output = folder / f'{time.monotonic_ns()}.txt'
        with self.output.open('w') as file:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, returncode=0):
        """Wait for it and all that it started, and return what it printed."""
        try:
            self.process.wait(timeout=400)
            deadline = time.monotonic() + 60
            while left := processes_in(self.folder):
                assert time.monotonic() < deadline, left
                time.sleep(0.2)
        finally:
            self.process.terminate()  # torchrun ends its processes itself
            self.process.wait(timeout=60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        shown = self.output.read_text()
        assert self.process.returncode == returncode, shown
        return shown


def assert_same(first, second, where='checkpoint'):
    """Nested containers of tensors and numbers are equal bit for bit."""
    if isinstance(first, dict):
        assert set(first) == set(second), where
        for key, value in first.items():
            assert_same(value, second[key], f'{where}/{key}')
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second), where
        for i, (a, b) in enumerate(zip(first, second, strict=True)):
            assert_same(a, b, f'{where}/{i}')
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


def processes_in(folder):
    """The processes that were started for training in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get('TRAINED_IN') == str(folder):
                found.append(process)
    return found


CHANGES = [
    'param_scheduler.milestones=[1]',  # the learning rate drops between the epochs
    'default_hooks.keep_ratio.start_epoch=0',
    'default_hooks.keep_ratio.end_epoch=2',
]
SHARDED_CONFIG = """
_base_ = ['{config}', '{base}/fully_sharded.py']
"""


class TestTwoProcesses:
    """``dist_train.sh`` on a CPU, on a folder in GOT-10k's layout."""

    @pytest.fixture
    def train_two(self, root, synthetic_root, tmp_path, monkeypatch):
        """Two iterations an epoch; returns what the last epoch saved."""
        monkeypatch.setenv('PORT', str(29500 + os.getpid() % 1000))

        def train_two(
            config,
            work_dir,
            epoch,
            *options,
            changes=(),
            returncode=0,
            processes=2,
            saved='epoch_{}.pth',
        ):
            command = [
                'bash',
                str(root / 'tools' / 'dist_train.sh'),
                str(config),
                str(processes),
                '--work-dir',
                str(tmp_path / work_dir),
                *options,
                '--cfg-options',
                *TINY,
                FROM_RANDOM,
                f'train_cfg.max_epochs={epoch}',
                'train_dataloader.sampler.samples_per_epoch=8',
                *changes,
            ]
            Command(command, tmp_path, synthetic_root).finish(returncode)
            if returncode == 0:
                return read_checkpoint(tmp_path / work_dir / saved.format(epoch))

        return train_two

    @pytest.fixture
    def kill_config(self, config, tmp_path):
        """A configuration that writes down its clips and kills at an iteration."""
        (tmp_path / 'kill_hook.py').write_text(KILL_HOOK)

        def kill_config(iteration, ranks):
            path = tmp_path / f'kill_at_{iteration}.py'
            path.write_text(
                KILLED_CONFIG.format(config=config, iteration=iteration, ranks=ranks)
            )
            return path

        return kill_config

    @pytest.fixture
    def kill(self, kill_config, train_two):
        """Kills processes at an iteration; all that was started ends with them."""

        def kill(iteration, ranks, *options):
            path = kill_config(iteration, ranks)
            train_two(path, 'killed', 3, *options, changes=CHANGES, returncode=137)

        return kill

    def test_kill(self, kill, train_two, config, tmp_path):
        """Killed in mid-epoch, all processes and then one, it ends as one run."""
        whole = train_two(config, 'whole', 3, changes=CHANGES)
        kill(3, [0, 1])
        saved = [path.name for path in (tmp_path / 'killed').glob('*.pth')]
        assert saved == ['epoch_1.pth']
        first = read_checkpoint(tmp_path / 'killed' / 'epoch_1.pth')
        # As a kill during the next save would have left it.
        (tmp_path / 'killed' / 'epoch_2.pth').write_bytes(b'cut short')
        kill(5, [1], '--resume')
        resumed = train_two(config, 'killed', 3, '--resume', changes=CHANGES)
        for part in ('state_dict', 'optimizer', 'param_schedulers'):
            assert_same(whole[part], resumed[part], part)
        assert [end['meta']['iter'] for end in (whole, resumed)] == [6, 6]
        # The later epochs did change something.
        key = 'backbone.blocks.0.attn.qkv.weight'
        assert not torch.equal(first['state_dict'][key], whole['state_dict'][key])

    def test_mid_epoch(self, kill_config, train_two, tmp_path):
        """From a checkpoint in mid-epoch it goes on to the bit, or on one process."""
        changes = [
            *CHANGES,
            'default_hooks.checkpoint.by_epoch=False',
            'default_hooks.checkpoint.interval=1',
        ]
        watched = kill_config(-1, [])
        options = dict(changes=changes, saved='iter_4.pth')
        whole = train_two(watched, 'whole', 2, **options)
        train_two(kill_config(3, [0]), 'killed', 2, changes=changes, returncode=137)
        shutil.copytree(tmp_path / 'killed', tmp_path / 'alone')
        resumed = train_two(watched, 'killed', 2, '--resume', **options)
        for part in ('state_dict', 'optimizer', 'param_schedulers'):
            assert_same(whole[part], resumed[part], part)
        assert resumed['message_hub']['runtime_info']['clips_of_epoch'] == 8

        (tmp_path / 'alone' / 'clips_3.txt').unlink()
        changes.append('train_dataloader.batch_size=4')  # as many in all
        alone = train_two(watched, 'alone', 2, '--resume', **options, processes=1)
        assert alone['meta']['iter'] == 4
        clips = [
            [
                sorted((tmp_path / run / f'clips_{i}.txt').read_text().splitlines())
                for i in range(4)
            ]
            for run in ('whole', 'alone')
        ]
        assert clips[0] == clips[1] and len(set(map(tuple, clips[0]))) == 4

    @pytest.fixture
    def sharded_config(self, root, config, tmp_path):
        path = tmp_path / 'sharded.py'
        path.write_text(
            SHARDED_CONFIG.format(config=config, base=root / 'configs' / '_base_')
        )
        return path

    def test_sharded(self, train_two, config, sharded_config):
        """Losses and gradient norms are those of DDP, and either resumes the other."""
        plain = train_two(config, 'plain', 1)
        sharded = train_two(sharded_config, 'sharded', 1)
        assert plain['meta']['iter'] == 2  # 8 clips in batches of 2 on 2 processes
        for name in ('train/loss', 'train/grad_norm'):
            expected, actual = (
                checkpoint['message_hub']['log_scalars'][name].data[0]
                for checkpoint in (plain, sharded)
            )
            assert len(actual) == 2 and actual == pytest.approx(expected, rel=1e-4), name
        assert shapes(sharded['state_dict']) == shapes(plain['state_dict'])
        assert shapes(sharded['optimizer']) == shapes(plain['optimizer'])

        resumed = [
            train_two(sharded_config, 'plain', 2, '--resume'),
            train_two(config, 'sharded', 2, '--resume'),
        ]
        norms = [
            checkpoint['message_hub']['log_scalars']['train/grad_norm'].data[0]
            for checkpoint in resumed
        ]
        assert len(norms[0]) == 4 and norms[0] == pytest.approx(norms[1], rel=1e-3)

    def test_sharded_alone(self, run, sharded_config, synthetic_root):
        with pytest.raises(ValueError, match=r'several processes.*tools/dist_train\.sh'):
            run(synthetic_root, FROM_RANDOM, config=sharded_config)


def shapes(tree):
    """Nested containers with the shapes of tensors in their place."""
    if isinstance(tree, dict):
        return {key: shapes(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [shapes(value) for value in tree]
    return tuple(tree.shape) if isinstance(tree, torch.Tensor) else tree
