"""BibTeX for the parts that a recipe uses: papers of the method, the network, the vectors and the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textdistill.errors import UserError, did_you_mean

BIBTEX: dict[str, str] = {
    # methods
    "sucholutsky2021": """\
@inproceedings{sucholutsky2021,
  title     = {Soft-Label Dataset Distillation and Text Dataset Distillation},
  author    = {Sucholutsky, Ilia and Schonlau, Matthias},
  booktitle = {2021 International Joint Conference on Neural Networks (IJCNN)},
  pages     = {1--8},
  year      = {2021},
  doi       = {10.1109/IJCNN52387.2021.9533769},
}""",
    "wang2018": """\
@article{wang2018,
  title   = {Dataset Distillation},
  author  = {Wang, Tongzhou and Zhu, Jun-Yan and Torralba, Antonio and Efros, Alexei A.},
  journal = {arXiv preprint arXiv:1811.10959},
  year    = {2018},
}""",
    "bohdal2020": """\
@inproceedings{bohdal2020,
  title     = {Flexible Dataset Distillation: Learn Labels Instead of Images},
  author    = {Bohdal, Ondrej and Yang, Yongxin and Hospedales, Timothy},
  booktitle = {4th Workshop on Meta-Learning at NeurIPS},
  year      = {2020},
  note      = {arXiv:2006.08572},
}""",
    "zhao2021": """\
@inproceedings{zhao2021,
  title     = {Dataset Condensation with Gradient Matching},
  author    = {Zhao, Bo and Mopuri, Konda Reddy and Bilen, Hakan},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year      = {2021},
}""",
    "zhao2023": """\
@inproceedings{zhao2023,
  title     = {Dataset Condensation with Distribution Matching},
  author    = {Zhao, Bo and Bilen, Hakan},
  booktitle = {Proceedings of the IEEE/CVF Winter Conference on Applications of Computer Vision (WACV)},
  pages     = {6514--6523},
  year      = {2023},
}""",
    "wang2022": """\
@inproceedings{wang2022,
  title     = {{CAFE}: Learning to Condense Dataset by Aligning Features},
  author    = {Wang, Kai and Zhao, Bo and Peng, Xiangyu and Zhu, Zheng and Yang, Shuo and Wang, Shuo and
               Huang, Guan and Bilen, Hakan and Wang, Xinchao and You, Yang},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages     = {12196--12205},
  year      = {2022},
}""",
    "nguyen2021": """\
@inproceedings{nguyen2021,
  title     = {Dataset Meta-Learning from Kernel Ridge-Regression},
  author    = {Nguyen, Timothy and Chen, Zhourong and Lee, Jaehoon},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year      = {2021},
}""",
    "maekawa2024": """\
@inproceedings{maekawa2024,
  title     = {{DiLM}: Distilling Dataset into Language Model for Text-level Dataset Distillation},
  author    = {Maekawa, Aru and Kosugi, Satoshi and Funakoshi, Kotaro and Okumura, Manabu},
  booktitle = {Findings of the Association for Computational Linguistics: NAACL 2024},
  pages     = {3138--3153},
  year      = {2024},
  doi       = {10.18653/v1/2024.findings-naacl.199},
}""",
    "feng2024": """\
@inproceedings{feng2024,
  title     = {Embarrassingly Simple Dataset Distillation},
  author    = {Feng, Yunzhen and Vedantam, Shanmukha Ramakrishna and Kempe, Julia},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year      = {2024},
}""",
    # word vectors
    "pennington2014": """\
@inproceedings{pennington2014,
  title     = {{GloVe}: Global Vectors for Word Representation},
  author    = {Pennington, Jeffrey and Socher, Richard and Manning, Christopher D.},
  booktitle = {Proceedings of the 2014 Conference on Empirical Methods in Natural Language Processing (EMNLP)},
  pages     = {1532--1543},
  year      = {2014},
  doi       = {10.3115/v1/D14-1162},
}""",
    "mikolov2013": """\
@inproceedings{mikolov2013,
  title     = {Distributed Representations of Words and Phrases and their Compositionality},
  author    = {Mikolov, Tomas and Sutskever, Ilya and Chen, Kai and Corrado, Greg S. and Dean, Jeff},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {26},
  year      = {2013},
}""",
    "bojanowski2017": """\
@article{bojanowski2017,
  title   = {Enriching Word Vectors with Subword Information},
  author  = {Bojanowski, Piotr and Grave, Edouard and Joulin, Armand and Mikolov, Tomas},
  journal = {Transactions of the Association for Computational Linguistics},
  volume  = {5},
  pages   = {135--146},
  year    = {2017},
  doi     = {10.1162/tacl_a_00051},
}""",
    # networks
    "kim2014": """\
@inproceedings{kim2014,
  title     = {Convolutional Neural Networks for Sentence Classification},
  author    = {Kim, Yoon},
  booktitle = {Proceedings of the 2014 Conference on Empirical Methods in Natural Language Processing (EMNLP)},
  pages     = {1746--1751},
  year      = {2014},
  doi       = {10.3115/v1/D14-1181},
}""",
    "schuster1997": """\
@article{schuster1997,
  title   = {Bidirectional Recurrent Neural Networks},
  author  = {Schuster, Mike and Paliwal, Kuldip K.},
  journal = {IEEE Transactions on Signal Processing},
  volume  = {45},
  number  = {11},
  pages   = {2673--2681},
  year    = {1997},
  doi     = {10.1109/78.650093},
}""",
    "hochreiter1997": """\
@article{hochreiter1997,
  title   = {Long Short-Term Memory},
  author  = {Hochreiter, Sepp and Schmidhuber, J{\\"u}rgen},
  journal = {Neural Computation},
  volume  = {9},
  number  = {8},
  pages   = {1735--1780},
  year    = {1997},
  doi     = {10.1162/neco.1997.9.8.1735},
}""",
    # data
    "maas2011": """\
@inproceedings{maas2011,
  title     = {Learning Word Vectors for Sentiment Analysis},
  author    = {Maas, Andrew L. and Daly, Raymond E. and Pham, Peter T. and Huang, Dan and Ng, Andrew Y. and
               Potts, Christopher},
  booktitle = {Proceedings of the 49th Annual Meeting of the Association for Computational Linguistics:
               Human Language Technologies},
  pages     = {142--150},
  year      = {2011},
}""",
    "socher2013": """\
@inproceedings{socher2013,
  title     = {Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank},
  author    = {Socher, Richard and Perelygin, Alex and Wu, Jean and Chuang, Jason and Manning, Christopher D. and
               Ng, Andrew and Potts, Christopher},
  booktitle = {Proceedings of the 2013 Conference on Empirical Methods in Natural Language Processing (EMNLP)},
  pages     = {1631--1642},
  year      = {2013},
}""",
    "voorhees2000": """\
@inproceedings{voorhees2000,
  title     = {Building a Question Answering Test Collection},
  author    = {Voorhees, Ellen M. and Tice, Dawn M.},
  booktitle = {Proceedings of the 23rd Annual International ACM SIGIR Conference on Research and Development in
               Information Retrieval},
  pages     = {200--207},
  year      = {2000},
  doi       = {10.1145/345508.345577},
}""",
    "li2002": """\
@inproceedings{li2002,
  title     = {Learning Question Classifiers},
  author    = {Li, Xin and Roth, Dan},
  booktitle = {COLING 2002: The 19th International Conference on Computational Linguistics},
  year      = {2002},
  doi       = {10.3115/1072228.1072378},
}""",
    "pang2005": """\
@inproceedings{pang2005,
  title     = {Seeing Stars: Exploiting Class Relationships for Sentiment Categorization with Respect to Rating Scales},
  author    = {Pang, Bo and Lee, Lillian},
  booktitle = {Proceedings of the 43rd Annual Meeting of the Association for Computational Linguistics (ACL)},
  pages     = {115--124},
  year      = {2005},
  doi       = {10.3115/1219840.1219855},
}""",
    "wang2019glue": """\
@inproceedings{wang2019glue,
  title     = {{GLUE}: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding},
  author    = {Wang, Alex and Singh, Amanpreet and Michael, Julian and Hill, Felix and Levy, Omer and
               Bowman, Samuel R.},
  booktitle = {International Conference on Learning Representations (ICLR)},
  year      = {2019},
}""",
}

_GLUE = ("wang2019glue",)

# kind of part -> name -> papers; a name covers every name that continues it after "_" ("glove" covers "glove_6b_50d")
PARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "objective": {"unrolled": ("wang2018", "sucholutsky2021")},
    "learner": {
        "text_conv": ("kim2014",),
        "bi_rnn": ("schuster1997",),
        "bi_lstm": ("schuster1997", "hochreiter1997"),
    },
    "vectors": {"glove": ("pennington2014",), "word2vec": ("mikolov2013",), "fasttext": ("bojanowski2017",)},
    "data": {
        "imdb": ("maas2011",),
        "rotten_tomatoes": ("pang2005",),
        "sst5": ("socher2013",),
        "sst2": ("socher2013", *_GLUE),
        "glue_sst2": ("socher2013", *_GLUE),
        "trec": ("voorhees2000", "li2002"),
        "trec6": ("voorhees2000", "li2002"),
        "trec50": ("voorhees2000", "li2002"),
        **dict.fromkeys(["glue", "cola", "mrpc", "qqp", "mnli", "qnli", "rte", "wnli"], _GLUE),
    },
}


def keys_for(parts: Mapping[str, str]) -> list[str]:
    """BibTeX keys of the papers behind `parts`, each once, in the order of `parts`.

    `parts` maps a kind ("paper", "objective", "learner", "vectors", "data") to a part's name, such as
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
    plain = name.lower().replace("-", "_").replace("/", "_").replace(" ", "_")
    fitting = [stem for stem in known if plain == stem or plain.startswith(f"{stem}_")]
    return known[max(fitting, key=len)] if fitting else ()


def _checked(key: str) -> str:
    if key not in BIBTEX:
        raise UserError(f"no BibTeX entry {key!r}{did_you_mean(key, BIBTEX)}. Known: {', '.join(sorted(BIBTEX))}")
    return key
