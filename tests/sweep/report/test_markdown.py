"""Names and values from files are shown to the letter, whatever they hold."""

import pytest

from sweep.report.markdown import plain, table


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Litt3200, 0.5 (a-b)", "Litt3200, 0.5 (a-b)"),
        ("a|b", r"a\|b"),
        ("*bold* _it_ `code`", r"\*bold\* \_it\_ \`code\`"),
        ("[x](http://evil)", r"\[x\](http\://evil)"),
        ("<script>&amp;", r"\<script\>\&amp;"),
        ("www.evil.com WWW.EVIL.com", r"www\.evil.com WWW\.EVIL.com"),
        (r"C:\x", r"C:\\x"),
        ("two\nlines\x1b[31m", r"two\\nlines\\x1b\[31m"),
        (3, "3"),
    ],
)
def test_no_text_is_markup(text: object, written: str) -> None:
    assert plain(text) == written


def test_a_table_has_a_line_for_each_row() -> None:
    assert table(("a", "b"), [("1", "2"), ("3", "")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 |  |"
