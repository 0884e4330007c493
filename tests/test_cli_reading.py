"""CSV files as people have them: codes with zeros in front, the word None, other separators, encodings and decimals."""

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


# name, text, encoding; columns; what is told
FORMATS = {
    "as Excel writes it in Europe": (
        ("t.csv", "dose;y\n0,5;1\n1,25;-2,5e1\n;3\n", "utf-8-sig"),
        {"dose": [0.5, 1.25, np.nan], "y": [1, -25, 3]},
        "t.csv was read as separated by semicolons. t.csv has commas in decimals, in dose, y: '0,5' was read as 0.5.",
    ),
    "points between thousands": (
        ("t.csv", "all;some;none\n1.234,5;1.500;1.5\n2.000.000;12;0.125\n", "utf-8"),
        {"all": [1234.5, 2e6], "some": [1500, 12], "none": [1.5, 0.125]},
        "Points in some were taken as standing between thousands.",
    ),
    "a typing error among commas": (
        ("t.csv", "a;b\n" + "1,5;2\n" * 15 + "n/a?;3\n", "utf-8"),
        {"a": ["1.5"] * 15 + ["n/a?"], "b": [2] * 15 + [3]},
        "'1,5' was read as 1.5",
    ),
    "codes and dates beside commas": (
        ("t.csv", "id;day;b\n007;03.05.2024;2,5\n008;04.05.2024;3\n", "utf-8"),
        {"id": ["007", "008"], "day": ["03.05.2024", "04.05.2024"], "b": [2.5, 3]},
        "in b:",
    ),
    "commas in headings": (
        ("t.csv", "height, cm;weight, kg\n1,5;2,5\n", "utf-8"),
        {"height, cm": [1.5], "weight, kg": [2.5]},
        "separated by semicolons, though commas part its lines as evenly",
    ),
    "bars": (("t.csv", "a|b\n1|2\n", "utf-8"), {"a": [1], "b": [2]}, "separated by bars"),
    "tabs": (("t.csv", "a\tb\n1\t2,5\n", "utf-8"), {"a": [1], "b": [2.5]}, "separated by tabs"),
    "commas in .tsv": (("t.tsv", "a,b\n1,2\n", "utf-8"), {"a": [1], "b": [2]}, "separated by commas"),
    "semicolons in texts": (
        ("t.csv", 'a,b\n"x; y\nz",2\n"u;v",3\n', "utf-8"),
        {"a": ["x; y\nz", "u;v"], "b": [2, 3]},
        "",
    ),
    "blanks": (("t.txt", 'a "b c"\n1 2\n', "utf-8"), {"a": [1], "b c": [2]}, ""),
    "tabs in .tsv": (("t.tsv", "a\tb\nx, y\t2\n", "utf-8"), {"a": ["x, y"], "b": [2]}, ""),
    "latin-1": (
        ("t.csv", "größe,y\n1,2\n", "latin-1"),
        {"größe": [1], "y": [2]},
        "t.csv is not in UTF-8: it was read as Windows-1252, which Latin-1 is part of ('größe').",
    ),
    "UTF-16": (("t.txt", "größe\ty\n1\t2\n", "utf-16"), {"größe": [1], "y": [2]}, "separated by tabs"),
    "late letters": (
        ("t.csv", "a,b\n" + "x,1\n" * 200 + "é,2\n", "cp1252"),
        {"a": ["x"] * 200 + ["é"], "b": [1] * 200 + [2]},
        "was read as Windows-1252",
    ),
    "names of rows": (("t.csv", "a,b\nAnna,1,2\n", "utf-8"), {"a": [1], "b": [2]}, "its name and left out"),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("compressed", [False, True])
def test_other_formats_are_read_and_what_was_assumed_is_told(tmp_path, name, compressed):
    (file, text, encoding), columns, words = FORMATS[name]
    if compressed and encoding == "utf-16":
        file, compressed = f"again_{file}", False
    path = tmp_path / (f"{file}.gz" if compressed else file)
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if compressed else content)
    notes = []
    table = read_table_file(path, notes)
    assert list(table.columns) == list(columns)
    for column, values in columns.items():
        np.testing.assert_array_equal(
            table[column].to_numpy(), np.array(values, dtype=table[column].to_numpy().dtype)
        )
    told = " ".join(notes).replace(".gz", "")
    assert words in told if words else not told
