"""Clocks and scales. No test here depends on how fast the machine is."""

import json
import time

import numpy as np
import pytest
import torch

from sstrack_mm.analysis.measure import (
    PeakMemory,
    StageClock,
    describe_machine,
    matmul_rate,
    percentiles,
    spread,
)

CPU = torch.device('cpu')


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_matmul_rate(dtype):
    assert matmul_rate(CPU, dtype, seconds=0) > 0


class TestPeakMemory:
    SIZE = 200_000_000

    def test_what_was_in_use_for_a_while(self):
        memory = PeakMemory(CPU)
        with memory:
            array = np.ones(self.SIZE, np.uint8)
            time.sleep(0.05)
            del array
        assert 0.9 * self.SIZE < memory.peak < 1.5 * self.SIZE

    def test_not_between_contexts(self):
        memory = PeakMemory(CPU)
        with memory:
            pass
        array = np.ones(self.SIZE, np.uint8)
        time.sleep(0.05)
        del array
        with memory:
            pass
        assert memory.peak < 0.5 * self.SIZE


class TestStageClock:
    class Cook:
        """Takes its time."""

        def __init__(self):
            self.served = []

        def boil(self, what):
            time.sleep(0.02)
            return f'boiled {what}'

        def serve(self, what):
            self.served.append(self.boil(what))

    def test_adds_up(self):
        cook, clock = self.Cook(), StageClock(CPU)
        with clock.watch('boil', cook, 'boil'), clock.watch('all', cook, 'serve'):
            cook.serve('rice')
            cook.serve('beans')
        cook.serve('egg')
        assert cook.served == ['boiled rice', 'boiled beans', 'boiled egg']
        assert set(clock.seconds) == {'boil', 'all'}
        assert clock.seconds['all'] >= clock.seconds['boil'] >= 0.04

    def test_not_outside(self):
        cook, clock = self.Cook(), StageClock(CPU)
        with clock.watch('boil', cook, 'boil'):
            pass
        cook.serve('rice')
        assert clock.seconds['boil'] == 0


def test_percentiles():
    assert percentiles([i / 1000 for i in range(101)]) == pytest.approx(
        dict(p50=50, p95=95)
    )


def test_spread():
    assert spread([4.0, 5.0, 6.0]) == pytest.approx(0.4)


def test_describe_machine():
    machine = describe_machine(CPU)
    assert machine['device'] and machine['threads'] == torch.get_num_threads()
    assert machine['versions']['torch'] == torch.__version__
    json.dumps(machine)
