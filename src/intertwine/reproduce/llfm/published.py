"""Figures as the LLFM paper prints them (IJCAI 2017, Table 2)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LOCAL", "METHODS", "TABLE_2", "TEST_TIME", "Figures"]

#: The plain machine, and the local ones in the paper's order.
METHODS = ("FM", "DO", "APL", "JO")
LOCAL = METHODS[1:]

#: Test time of the local machines as multiples of FM's, smallest and largest over the paper's data.
TEST_TIME = (7, 23)


class Figures(NamedTuple):
    """Test loss (logistic, or root mean squared error) and share of right classes."""

    loss: float
    accuracy: float | None = None


TABLE_2 = {
    "Banana": {
        "FM": Figures(0.6763, 0.5377),
        "DO": Figures(0.2364, 0.8987),
        "APL": Figures(0.2283, 0.8996),
        "JO": Figures(0.2170, 0.9044),
    },
    "IJCNN1": {
        "FM": Figures(0.0927, 0.9697),
        "DO": Figures(0.0708, 0.9772),
        "APL": Figures(0.0525, 0.9826),
        "JO": Figures(0.0404, 0.9873),
    },
    "MovieLens 100k": {
        "FM": Figures(0.9498),
        "DO": Figures(0.9464),
        "APL": Figures(0.9384),
        "JO": Figures(0.9331),
    },
}
