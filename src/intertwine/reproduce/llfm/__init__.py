"""Locally linear factorization machines: Table 2 of the paper, on the data that can be had."""

from intertwine.reproduce.design import Paper
from intertwine.reproduce.llfm.classes import Banana, Ijcnn1
from intertwine.reproduce.llfm.ratings import MovieLens

__all__ = ["PAPER"]

PAPER = Paper(
    name="llfm",
    title="Locally linear factorization machines: the paper's Table 2, repeated",
    source="C. Liu, T. Zhang, P. Zhao, J. Zhou and J. Sun, Locally linear factorization machines, IJCAI 2017. DO: "
    "fixed anchors; APL: learnt anchors; JO: learnt anchors, and k*-NN chooses the neighbours of every row. Of the "
    "paper's figures we have the losses and accuracies on the rows to judge on, and the range of the times to predict "
    "over all its data; a dash is a figure we do not have.",
    designs=(Banana, Ijcnn1, MovieLens),
)
