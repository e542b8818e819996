"""A cycle of a recording: one annotated breath, and what its times must be in any data set."""

from __future__ import annotations

from dataclasses import dataclass

from data.errors import DataError

END_TOLERANCE_S = 0.05
"""How far a cycle may reach past the end of its recording, in seconds; the cycle is clipped there.

Annotations are rounded to milliseconds or less. Of 216 recordings of ICBHI 61 end before
their last cycle does, all by at most one sample (0.25 ms). The tolerance stays inside the 62.5 ms fade-out
that ends every recording.
"""
SHORTEST_CYCLE_S = 0.01
"""Length in seconds below which a cycle is refused."""


@dataclass(frozen=True)
class Cycle:
    """One annotated breath, or a whole recording: seconds from the recording's start, and a label.

    `label` is a position in the labels of the task that the data set was read for (`data.task`).
    """

    start_s: float
    end_s: float
    label: int


def check_times(where: str, start_s: float, end_s: float, duration_s: float) -> None:
    """Raise DataError, beginning with `where`, for a cycle that is not inside a recording of `duration_s` seconds.

    That is one that ends before it starts, or more than `END_TOLERANCE_S` beyond the recording, or of which less than
    10 ms are heard.
    """
    if end_s <= start_s:
        raise DataError(
            f"{where}: the cycle ends at {end_s:g} s, but starts at {start_s:g} s; expected end after start"
        )
    if end_s > duration_s + END_TOLERANCE_S:
        raise DataError(
            f"{where}: the cycle ends at {end_s:g} s, but the recording lasts {duration_s:.3f} s; "
            "expected an end inside the recording"
        )
    heard_s = min(end_s, duration_s) - start_s
    if heard_s < SHORTEST_CYCLE_S:
        raise DataError(
            f"{where}: a cycle of {max(heard_s, 0.0):g} s; expected at least {SHORTEST_CYCLE_S:g} s"
        )
