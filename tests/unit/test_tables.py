"""Tables: what is read of a well-formed one, and which line of a malformed one is named."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthcohort.errors import UserError
from synthcohort.intake import tables

COLUMNS = {"file": "source.columns.file", "who": ""}


def read(folder: Path, content: str | bytes, columns=COLUMNS, **options):
    path = folder / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tables.rows(path, columns, **options)


def told(folder: Path, content: str | bytes, **options) -> str:
    with pytest.raises(UserError) as error:
        read(folder, content, **options)
    assert str(error.value).startswith(f"{folder / 't.csv'}: ")
    return str(error.value)


EXPECTED = [(2, {"file": "0.png", "who": "P1"}), (3, {"file": "1.png", "who": "P2"})]


@pytest.mark.parametrize(
    "content",
    [
        "file,who\n0.png,P1\n1.png,P2\n",
        "file,who\r\n0.png,P1\r\n1.png,P2",
        "file,who\r0.png,P1\r1.png,P2\r",
        "\ufefffile,who\n0.png, P1 \n\ufeff1.png,P2\u200b\n\n,\n",
        '"file","who"\n"0.png","P1"\n"1.png","P2"\n',
        'more,who, file ,note,\n1,P1,0.png,"a, ""b""",\n2,P2,1.png,c d,\n',
        ",who,file,,note,note\n0,P1,0.png,,x,y\n1,P2,1.png,,x,y\n",
    ],
    ids=["LF", "CR LF", "CR", "marks and empty rows", "quoted", "other columns", "unnamed"],
)
def test_a_well_formed_table_is_read(tmp_path, content):
    assert read(tmp_path, content) == EXPECTED


def test_tabs_separate_where_they_are_asked_for(tmp_path):
    assert read(tmp_path, "file\twho\n0.png\tP1\n1.png\tP2\n", separator="\t") == EXPECTED
    assert "separated by commas, expected tabs" in told(tmp_path, "file,who\n", separator="\t")


def test_a_text_that_excel_is_told_to_leave_alone_is_that_text(tmp_path):
    content = 'file,who\n"=""0.png""","=""P1"""\n1.png,P2\n'
    assert read(tmp_path, content) == EXPECTED


@pytest.mark.parametrize("report", ["Lungs, heart\nclear", "a,\n\nb", "x\ny, z\nu"])
def test_a_report_of_several_lines_is_no_row(tmp_path, report):
    content = f'file,who,note\n0.png,P1,"{report}"\n1.png,P2,\n'
    assert [row for _, row in read(tmp_path, content)] == [row for _, row in EXPECTED]


def test_a_cell_of_several_lines_is_no_fault_and_lines_stay_right(tmp_path):
    content = 'file,who,note\n0.png,P1,"seen\nagain,\nlater"\n1.png,P2,\n2.png,"P3\n",x\n'
    assert [line for line, _ in read(tmp_path, content)] == [2, 5, 6]


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"], exclude_characters="\ufffd"))
NOTE = st.text(st.sampled_from('ab "\n\r'))


@given(rows=st.lists(st.tuples(CELL, NOTE, CELL), max_size=8))
def test_what_a_writer_writes_is_read_as_it_was(tmp_path_factory, rows):
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(("file", "note", "who"))
    writer.writerows(rows)
    found = read(tmp_path_factory.mktemp("t"), written.getvalue())
    rows = [(file.strip(), note.strip(), who.strip()) for file, note, who in rows]
    assert [row for _, row in found] == [
        {"file": file, "who": who} for file, note, who in rows if file or note or who
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("file,who\n0.png,a, left\n1.png,b\n2.png,c, right\n", "line 2 has 3, line 4 has 3;"),
        ("file,who\n0.png,a\n1.png\n", "2 fields, but 1 rows have more or fewer, line 3 has 1"),
        ("file,who\n0.png,a,\n", "line 2 has 3"),
        ("file,who,who\n0.png,a,b\n", "line 1: the column 'who' is there 2 times"),
        ("file,file ,who\n0.png,1,b\n", "line 1: the column 'file' (source.columns.file) is there"),
        ("name,who\n", "no column 'file' (source.columns.file); the columns are 'name', 'who'"),
        ("", "no column 'file' (source.columns.file); the columns are none"),
        ("file;who\n0.png;1\n", "separated by semicolons, expected commas"),
        ('"file";"who";"age"\n"0.png";"1";"63,5"\n', "separated by semicolons"),
        ("file\twho\n0.png\t1\n", "separated by tabs"),
        ("sep=;\nfile;who\n", "line 1 is 'sep=;'"),
        ('file,who\n0.png,a\n1.png,"b\n2.png,c\n3.png,d\n', "line 3: a quotation mark is open"),
        ('file,who\n0.png,"a\n1.png,"b\n', "line 2: a quotation mark is open"),
        ('file,who,n\n0.png,a,"x\n1.png,b,y\n2.png,c,z"\n', "line 2: one cell reaches to line 4"),
        ('file,who,n\n0.png,"a,y\n1.png,b",z\n', "line 2: one cell reaches to line 3"),
        ('file,who\n0.png,P"1\n', "line 2: a quotation mark stands where it should not"),
        ('file,who\n0.png,a\n1.png, "b"\n', "line 3: a quotation mark stands where"),
        ('file,who\n0.png,"a"b\n', "line 2: a quotation mark is open, or stands where"),
        ('file,who\n0.png,="007"\n', "line 2: a quotation mark stands where"),
        ('file,who,note\n0.png,a,5" wide\n', "line 2: a quotation mark stands where"),
        ('file,who,note\n0.png,"a\nb",x\n', "1 cells hold a line break, a control character"),
        ("file,who\n0.png,M\x81ller\n", r"line 2: 'M\x81ller'; mend them"),
        ("file,who\n0.png,\x1b[1mP\n", r"line 2: '\x1b[1mP'; mend them"),
        ("version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        ("<!DOCTYPE html><html></html>", "it is a web page (HTML)"),
        (b"\x1f\x8b\x08abc", "it is compressed by gzip"),
        ("file,who\n0.png,M\ufffdller\n", "line 2: 'M\ufffdller'; mend them"),
        ("file,who\n0.png,Müller\n".encode("cp1252"), "no text in UTF-8: line 2 holds the byte"),
        ("file,who\r0.png,Müller\r".encode("latin-1"), "no text in UTF-8: line 2"),
        ("file,who\n0.png,1\n".encode("utf-16"), "is a text in UTF-16"),
        ("file,who\n0.png,1\n".encode("utf-32"), "is a text in UTF-32"),
        ("file,who\n0.png,1\n".encode("utf-16-le"), "line 1 holds a NUL byte"),
        (b"file,who\n0.png,1\n1.png,\0\0\n", "line 3 holds a NUL byte"),
        (b"PK\x03\x04 and more", "is a spreadsheet's workbook"),
        ("file,who\n0.png,\"" + "x" * 200_000 + "\n", "line 2: a quotation mark is open"),
    ],
)  # fmt: skip
def test_a_malformed_table_is_refused_by_its_line(tmp_path, content, said):
    assert said in told(tmp_path, content)


def test_what_is_no_file_is_told(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv: there is no such file"):
        tables.rows(tmp_path / "none.csv", COLUMNS)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        tables.rows(tmp_path, COLUMNS)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("63.5", 63.5), ("-1e2", -100), ("True", 1), ("FALSE", 0), ("0", 0)]
    + [(text, None) for text in ("", "nan", "inf", "63,5", "6_3", "yes", "NA")],
)
def test_a_cell_holds_a_number_or_none(cell, number):
    assert tables.number(cell) == number
