"""Objects in processes of their own."""

import os
from contextlib import closing

import pytest

from sstrack_mm.analysis.process import RemoteObject


class Counter:
    """What the tests make elsewhere."""

    def __init__(self, start):
        self.value = int(start)

    def add(self, number):
        self.value += number
        return self.value

    def pid(self):
        return os.getpid()

    def die(self):
        os._exit(3)


def test_calls():
    with closing(RemoteObject(Counter, 5)) as counter:
        counter.wait()
        assert counter.call('add', 2) == 7 and counter.call('add', 1) == 8
        assert counter.call('pid') != os.getpid()
        with pytest.raises(TypeError):
            counter.call('add', 'x')
        assert counter.call('add', 1) == 9
        with pytest.raises(RuntimeError, match='exit code 3'):
            counter.call('die')


def test_error_while_it_is_made():
    with closing(RemoteObject(Counter, 'five')) as counter:
        with pytest.raises(ValueError, match='five'):
            counter.wait()
