"""Fields of CSV files that are not what they look like: codes with zeros in front, and the word None."""

import gzip

import numpy as np
import pytest

from intertwine.cli.reading import read_table_file


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("id,x\n007,1\n7,2\n112,3\n", {"id": ["007", "7", "112"], "x": [1, 2, 3]}),
        ("month,x\n01,1\n12,2\n", {"month": [1, 12], "x": [1, 2]}),
        ("a,b\n0.05,100\n0,1e5\n", {"a": [0.05, 0.0], "b": [100.0, 1e5]}),
        ('"id","x"\n"a","007"\n"b","8"\n', {"id": ["a", "b"], "x": ["007", "8"]}),
        ("a,b\n1,007,\n2,008,\n", {"a": [1, 2], "b": ["007", "008"]}),
        ('a,b\n"r1",1,007\n"r2",2,008\n', {"a": [1, 2], "b": ["007", "008"]}),
        ("a,b\n1,x\n2,007", {"a": [1, 2], "b": ["x", "007"]}),
        ("y,x\nNone,1\nMild,2\n", {"y": ["None", "Mild"], "x": [1, 2]}),
        ("y,x\n1,None\n2,3.5\n", {"y": [1, 2], "x": [np.nan, 3.5]}),
        ("y,x\n1,None\n2,few\n3,4\n", {"y": [1, 2, 3], "x": ["None", "few", "4"]}),
        ("y,x\n1,NA\n2,3.5\n", {"y": [1, 2], "x": [np.nan, 3.5]}),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_codes_and_nones(tmp_path, text, columns, compressed):
    path = tmp_path / ("t.csv.gz" if compressed else "t.csv")
    path.write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    table = read_table_file(path)
    assert list(table.columns) == list(columns)
    for name, values in columns.items():
        np.testing.assert_array_equal(
            table[name].to_numpy(), np.array(values, dtype=table[name].to_numpy().dtype)
        )
