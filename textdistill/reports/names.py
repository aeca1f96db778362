"""What methods, judges and kinds of labels are called before people."""

from __future__ import annotations

from collections.abc import Sequence

from textdistill.evaluation.text_baselines import method_of

# Beside the methods that choose readable sets, which say it themselves.
_OTHERS = {
    "distilled": "Distilled",
    "distilled_snapped": "Distilled, snapped to words",
    "distilled_ordinary": "Distilled, trained the ordinary way",
    "full": "All training data",
    "best_random_real": "Best random real rows",
    "kmeans": "K-means",
    "class_average": "Class average",
    "knn_random_real": "k-NN on random real rows",
    "knn_kmeans": "k-NN on K-means",
    "nearest_real": "Nearest real rows of the samples",
    "tfidf_full": "TF-IDF, all training data",
    "tfidf_random_real": "TF-IDF, random real rows",
    "set": "The set",
    "kept": "The set that is listed",
    "set_without_test_copies": "The set without its copies of test rows",
}
_JUDGES = {
    "frozen": "Frozen encoder, linear head",
    "finetuned": "Encoder trained as a whole",
    "text_conv": "Convolution on word vectors",
    "bi_lstm": "LSTM on word vectors",
    "tfidf": "TF-IDF, logistic regression",
}
_LABELS = {"hard": "hard labels", "teacher": "the teacher's soft labels", "distilled": "distilled soft labels"}


def method_name(method: str) -> str:
    """What a method is called."""
    known = method_of(method)
    return _OTHERS.get(method, method.replace("_", " ")) if known is None else known.title


def judge_name(key: str) -> str:
    """What a judge is called: `frozen`, or with a recipe of labels `frozen/hard`."""
    kind, _, recipe = key.partition("/")
    judge = _JUDGES.get(kind, kind.replace("_", " "))
    return f"{judge}, {_LABELS.get(recipe, recipe)}" if recipe else judge


def class_name(classes: Sequence[str], label: int) -> str:
    """The name of a class, or its number where the names do not reach so far."""
    return classes[label] if label < len(classes) else f"class {label}"
