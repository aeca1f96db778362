"""The networks that distilled data train, one visible dict of parts, and everything that comes with weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from textdistill.core.bounds import by_name
from textdistill.core.learner import Learner
from textdistill.learners.alexcifar import AlexCifarNet
from textdistill.learners.averaged import AveragedMLP
from textdistill.learners.convnet import ConvNet
from textdistill.learners.dense import Dense
from textdistill.learners.lenet import LeNet
from textdistill.learners.pretrained.network import Pretrained
from textdistill.learners.recurrent import BiLSTM, BiRNN
from textdistill.learners.resnet import ResNet18
from textdistill.learners.text_conv import TextConvNet
from textdistill.learners.transformer import Transformer

LEARNERS: dict[str, type[nn.Module]] = by_name(
    *(TextConvNet, BiRNN, BiLSTM, AveragedMLP, Transformer, Pretrained),
    *(LeNet, AlexCifarNet, ConvNet, ResNet18, Dense),
)


def make_learner(network: type[nn.Module], settings: Any, shape: Sequence[int], classes: int) -> Learner:
    """A learner for inputs of `shape`, (length, dimension) or (channels, height, width), and that many classes."""
    return Learner(network(settings, tuple(shape), classes), classes)
