"""Starting weights in Ultralytics' own format: read when named, with a warning."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from detector.errors import WeightsError
from detector.training import start
from detector.training.start import load_start

WARNING = "network.start=yolo-x.pt: a pickle, which can run code"


def test_a_pickle_is_read_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def load(name: str) -> Any:
        asked.append(name)
        return nn.Linear(2, 3).half(), {}

    monkeypatch.setattr(start, "load_checkpoint", load)
    model = nn.Linear(2, 3)
    with caplog.at_level("WARNING"):
        assert load_start(model, "yolo-x.pt").loaded == ("weight", "bias")
    assert asked == ["yolo-x.pt"]
    assert model.weight.dtype == torch.float32
    (message,) = caplog.messages
    assert message.startswith(WARNING)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "No such file or directory", "yolo-x.pt"),  # an unknown name
        ConnectionError("Download failure for\nhttps://example.org, environment may be offline"),
        TypeError("yolo-x.pt is not a loadable checkpoint"),
        ModuleNotFoundError("No module named 'models'"),
        KeyError("model"),
    ],
)
def test_a_pickle_that_cannot_be_had_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def load(name: str) -> Any:
        raise error

    monkeypatch.setattr(start, "load_checkpoint", load)
    with caplog.at_level("WARNING"), pytest.raises(WeightsError) as told:
        load_start(nn.Linear(2, 3), "yolo-x.pt")
    text = str(told.value)
    assert text.startswith("network.start=yolo-x.pt: cannot read these starting weights (")
    assert " ".join(str(error).split()) in text
    assert "name a safetensors file, an Ultralytics .pt file that is there, or a name" in text
    assert "must be online" in text
    assert "\n" not in text
    assert caplog.messages[0].startswith(WARNING)
