"""A study as one HTML file that asks nothing of any network.

html         the file: facts, style and scripts in one page
facts        all that the page shows of a study, as plain values
answer       the result in sentences, and what each figure finds
importance   how much each searched field matters, with an interval
write        the page as a file
methods      a methods paragraph and a LaTeX table to paste

`assets/` has the style and script of the page, and D3 and Observable Plot with their licences.
"""
