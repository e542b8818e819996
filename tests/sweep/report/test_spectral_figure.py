"""Curves as a figure and as CSV."""

from dataclasses import dataclass

import numpy as np

from sweep.report.spectral_figure import spectral_csv, spectral_svg


@dataclass
class Drawn:
    layer: str
    smoothed: bool
    response: np.ndarray

    @property
    def frequencies(self) -> np.ndarray:
        return np.arange(len(self.response)) / 4

    @property
    def scaled(self) -> np.ndarray:
        return self.response / self.response.max()


CURVES = [Drawn("2.0", False, np.array([2.0, 1.0, 0.5])), Drawn("2.0", True, np.array([2.0, 0.5, 0.0]))]


def test_every_number_is_a_line_of_csv() -> None:
    assert spectral_csv(CURVES).splitlines() == [
        "layer,smoothed,cycles_per_cell,response,scaled",
        "2.0,false,0,2,1",
        "2.0,false,0.25,1,0.5",
        "2.0,false,0.5,0.5,0.25",
        "2.0,true,0,2,1",
        "2.0,true,0.25,0.5,0.25",
        "2.0,true,0.5,0,0",
    ]


def test_the_figure_is_the_same_bytes_again_and_takes_a_dollar_sign_as_one() -> None:
    drawn = spectral_svg(CURVES, "a $ b $")
    assert drawn == spectral_svg(CURVES, "a $ b $")
    assert b"a $ b $" in drawn
    assert drawn.count(b"smoothed") >= 1
