"""The packaged language model is read from its GGUF file, converted anew, and goes on as people do."""

from __future__ import annotations

import pytest
import torch

from textdistill.learners.pretrained.language_models import load_causal

pytestmark = pytest.mark.interop


def test_the_packaged_model_goes_on_as_people_do() -> None:
    found = load_causal("smollm2")
    ids = found.tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        following = found.model(ids).logits[0, -1].argmax()
    assert found.tokenizer.decode(following) == " Paris"
