"""What the fuzz target has found, each as it was."""

from __future__ import annotations

import pytest

from detector.documents import DocumentError, parse_yaml


@pytest.mark.parametrize("text", ["\x00name: port", "name: \x07", "a: \ufffe"])
def test_yaml_of_control_characters(text: str) -> None:
    """PyYAML refuses them when it is given the text, before it is asked for anything."""
    with pytest.raises(DocumentError, match="special characters are not allowed"):
        parse_yaml(text)
