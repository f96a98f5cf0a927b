"""Threads are given back."""

import pytest
import torch

from mri_robust.core.machine import one_thread


def test_one_thread_inside_and_as_many_as_before_outside_also_after_an_error():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with pytest.raises(RuntimeError, match="boom"), one_thread():
            raise RuntimeError("boom")
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
