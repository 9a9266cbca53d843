"""A batch that does not fit into memory is read in halves."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from torch import nn

from detector.errors import DeviceError
from detector.models.devices import is_no_memory
from detector.models.torch_runner import TorchRunner


class SmallMemory(nn.Module):
    """Reads at most `fits` tiles at a time; a tile reads as its mean."""

    def __init__(self, fits: int, error: Exception) -> None:
        super().__init__()
        self.fits = fits
        self.error = error
        self.asked: list[int] = []

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(tiles))
        if len(tiles) > self.fits:
            raise self.error
        return tiles.float().mean(dim=(1, 2, 3))


TILES = np.arange(8, dtype=np.uint8).repeat(4 * 4 * 3).reshape(8, 4, 4, 3)
CUDA_FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
CPU_FULL = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")


def _runner(network: nn.Module) -> TorchRunner:
    return TorchRunner(network, torch.device("cpu"), torch.get_num_threads())  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [CUDA_FULL, CPU_FULL, MemoryError()])
def test_a_batch_is_halved_until_it_fits_and_stays_so(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("detector"), "propagate", True)
    network = SmallMemory(3, error)
    runner = _runner(network)
    for _ in range(2):
        assert runner.forward(TILES).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert network.asked == [8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    # another test may have left its handler on the logger, so a message may come twice
    told = dict.fromkeys(message for message in caplog.messages if "do not fit" in message)
    assert [text.split("; ")[-1] for text in told] == [
        *("4 at a time from here on", "2 at a time from here on")
    ]


def test_a_tile_that_does_not_fit_is_one_sentence() -> None:
    with pytest.raises(DeviceError, match=r"cpu: not even one tile fits into memory \(CUDA out"):
        _runner(SmallMemory(0, CUDA_FULL)).forward(TILES)


def test_another_error_is_the_devices_and_no_half_is_tried() -> None:
    network = SmallMemory(0, RuntimeError("shapes differ"))
    with pytest.raises(DeviceError, match=r"'cpu' failed while it ran \(shapes differ\)"):
        _runner(network).forward(TILES)
    assert network.asked == [8]
    assert not is_no_memory(RuntimeError("shapes differ"))
