"""BibTeX for the parts that a recipe uses: papers of the method, the network, the vectors and the data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from textdistill.core.errors import UserError, did_you_mean

_ENTRY = re.compile(r"^@\w+\{(\w+),.*?^\}$", re.MULTILINE | re.DOTALL)
# key -> entry, in the order of papers.bib
BIBTEX: dict[str, str] = {
    entry[1]: entry[0] for entry in _ENTRY.finditer(Path(__file__).with_name("papers.bib").read_text(encoding="utf-8"))
}

_GLUE, _MNIST, _CIFAR = ("wang2019glue",), ("lecun1998",), ("krizhevsky2009",)

# kind of part -> name -> papers; a name covers every name that continues it after "_" ("glove" covers "glove_6b_50d")
PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "objective": {
        "unrolled": ("wang2018", "sucholutsky2021"),
        "gradient_matching": ("zhao2021",),
        "distribution_matching": ("zhao2023",),
        "cafe": ("wang2022",),
        "kip": ("nguyen2021",),
        "label_solve": ("nguyen2021",),
        "ridge_labels": ("bohdal2020",),
    },
    # of an objective: the same random transformation of real and synthetic rows
    "augment": dict.fromkeys(
        ["color", "crop", "cutout", "flip", "scale", "rotate", "drop", "shift", "noise"], ("zhao2021dsa",)
    ),
    "kernel": {
        "ntk": ("jacot2018",),
        "nngp": ("lee2018",),
        "conv_ntk": ("arora2019", "nguyen2021infinite"),
        "text_conv_ntk": ("arora2019",),
    },
    "starts": {"trained": ("feng2024",), "plateau": ("bohdal2020",), "chain": ("zhao2021",)},
    "learner": {
        "text_conv": ("kim2014",),
        "bi_rnn": ("schuster1997",),
        "bi_lstm": ("schuster1997", "hochreiter1997"),
        "lenet": ("lecun1998",),
        "alex_cifar": ("krizhevsky2012",),
        "convnet": ("gidaris2018",),
        "resnet18": ("he2016",),
    },
    "norm": {
        "instance": ("ulyanov2016",),
        "batch_statistics": ("ioffe2015",),
        "layer": ("ba2016",),
        "group": ("wu2018",),
    },
    "vectors": {"glove": ("pennington2014",), "word2vec": ("mikolov2013",), "fasttext": ("bojanowski2017",)},
    "encoder": {
        "minilm": ("wang2020minilm", "reimers2019"),
        "sentence_transformers_all_minilm": ("wang2020minilm", "reimers2019"),
        "sentence_transformers": ("reimers2019",),
    },
    "data": {
        "imdb": ("maas2011",),
        **dict.fromkeys(["rotten_tomatoes", "rt"], ("pang2005",)),
        "sst5": ("socher2013",),
        "sst2": ("socher2013", *_GLUE),
        "glue_sst2": ("socher2013", *_GLUE),
        "trec": ("voorhees2000", "li2002"),
        "trec6": ("voorhees2000", "li2002"),
        "trec50": ("voorhees2000", "li2002"),
        **dict.fromkeys(["glue", "cola", "mrpc", "qqp", "mnli", "qnli", "rte", "wnli"], _GLUE),
        "ag_news": ("zhang2015",),
        "mnist": _MNIST,
        **dict.fromkeys(["cifar10", "cifar_10", "cifar100", "cifar_100"], _CIFAR),
        "svhn": ("netzer2011",),
        "fashion_mnist": ("xiao2017",),
        "kmnist": ("clanuwat2018",),
        "emnist": ("cohen2017",),
    },
}


def keys_for(parts: Mapping[str, str]) -> list[str]:
    """BibTeX keys of the papers behind `parts`, each once, in the order of `parts`.

    `parts` maps a kind ("paper" or one of `PARTS`) to a part's name, such as
    `{"data": "imdb", "vectors": "glove-6b-50d"}`; the name of a "paper" is a BibTeX key itself, or several separated
    by commas. A name without a paper of its own (a user's table, an MLP) adds nothing. Raises `UserError` for an
    unknown kind or key.
    """
    keys: list[str] = []
    for kind, name in parts.items():
        if kind == "paper":
            keys.extend(_checked(key.strip()) for key in name.split(",") if key.strip())
        elif kind in PARTS:
            keys.extend(_papers(PARTS[kind], name))
        else:
            kinds = ["paper", *PARTS]
            raise UserError(f"no citations for parts of kind {kind!r}{did_you_mean(kind, kinds)}: {', '.join(kinds)}")
    return list(dict.fromkeys(keys))


def cite(keys: Sequence[str]) -> str:
    """The BibTeX entries of `keys`, each once, in their order; raises `UserError` for an unknown key."""
    return "".join(f"{BIBTEX[_checked(key)]}\n\n" for key in dict.fromkeys(keys)).removesuffix("\n")


def _papers(known: Mapping[str, tuple[str, ...]], name: str) -> tuple[str, ...]:
    """The papers of the longest known name that `name` is or continues; separators and case do not matter."""
    plain = re.sub(r"[-/: ]", "_", name.lower())
    fitting = [stem for stem in known if plain == stem or plain.startswith(f"{stem}_")]
    return known[max(fitting, key=len)] if fitting else ()


def _checked(key: str) -> str:
    if key not in BIBTEX:
        raise UserError(f"no BibTeX entry {key!r}{did_you_mean(key, BIBTEX)}. Known: {', '.join(sorted(BIBTEX))}")
    return key
