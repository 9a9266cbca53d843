"""What the fuzz target has found, each as it was."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from detector.activity.looks.sites import read_site
from detector.documents import DocumentError, parse_yaml
from detector.errors import QuaywatchError
from detector.export.stacks import no_stacks, read_stacks, write_stacks
from detector.scenes.discover import discover


@pytest.mark.parametrize("text", ["\x00name: port", "name: \x07", "a: \ufffe"])
def test_yaml_of_control_characters(text: str) -> None:
    """PyYAML refuses them when it is given the text, before it is asked for anything."""
    with pytest.raises(DocumentError, match="special characters are not allowed"):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b'"numpy_type": "float64"', b'"numpy_type": "inf"'), (b'"name": "area_m2"', b'"name": NaN')],
)
def test_what_pandas_wrote_of_its_own_types_is_not_read(
    tmp_path: Path, right: bytes, wrong: bytes
) -> None:
    """It is JSON in the metadata of a Parquet file, and pandas trusts it."""
    write_stacks(tmp_path / "stacks.csv", no_stacks())
    path = tmp_path / "stacks.parquet"
    table = pq.read_table(path)
    told = table.schema.metadata[b"pandas"]
    assert right in told
    pq.write_table(table.replace_schema_metadata({b"pandas": told.replace(right, wrong)}), path)
    assert read_stacks(tmp_path / "stacks.csv").dtypes.equals(no_stacks().dtypes)


def test_a_list_of_names_with_zero_bytes(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\x00.tif\na.tif\n")
    first, second = discover([str(tmp_path / "list.txt")])
    assert first.problem
    assert second.problem


def test_a_site_whose_zones_have_a_name_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(f"name: port\nzones: {'z' * 2000}\n")
    with pytest.raises(QuaywatchError, match="zzz"):
        read_site(tmp_path / "site.yaml")
