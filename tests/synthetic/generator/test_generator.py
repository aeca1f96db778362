"""The likelihood is the library's own over a row's own tokens; what is written to disk is what is read."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GraniteConfig, GraniteForCausalLM

from tests.synthetic.generator.small import STREAMS, fresh, pretrained_folder, table
from textdistill.core.errors import ArtifactError
from textdistill.synthetic.generator import Generator, GeneratorSettings, Sentences, build_generator
from textdistill.synthetic.generator import generator as generator_file


def double(pairs: bool = False) -> Generator:
    generator = fresh(pairs)
    generator.model.double()
    return generator


def some(generator: Generator, rows: int = 6) -> Sentences:
    return generator.vocabulary.encode_table(table(pairs=generator.vocabulary.pairs)).take(range(rows))


def gradients(generator: Generator, sentences: Sentences) -> list[torch.Tensor]:
    weights = torch.arange(1.0, len(sentences) + 1, dtype=torch.float64)
    return list(torch.autograd.grad(generator.nll(sentences) @ weights, list(generator.parameters().values())))


@pytest.mark.parametrize("pairs", [False, True])
def test_it_is_the_librarys_own_loss_over_real_tokens(pairs: bool) -> None:
    generator = double(pairs)
    sentences = some(generator)
    labels = sentences.ids.masked_fill(~sentences.mask, -100)
    for row, found in enumerate(generator.nll(sentences)):
        inputs = {"input_ids": sentences.ids[row, None], "attention_mask": sentences.mask[row, None].long()}
        expected = generator.model(**inputs, labels=labels[row, None]).loss  # it predicts from the second token on
        torch.testing.assert_close(found, expected.double(), rtol=1e-6, atol=1e-6)


def test_it_is_the_mean_of_minus_log_p_over_the_tokens_after_the_class() -> None:
    generator = double()
    sentences = some(generator, 1)
    chances = generator.model(input_ids=sentences.ids).logits[0].detach().log_softmax(1)
    said = [float(chances[place, token]) for place, token in enumerate(sentences.ids[0, 1:].tolist())]
    assert sentences.ids[0, -1] == generator.vocabulary.eos
    found = generator.nll(sentences).detach()
    assert float(found) == pytest.approx(-sum(said) / len(said))
    assert float(found * sentences.lengths) == pytest.approx(-sum(said))


def test_padding_changes_nothing() -> None:
    generator = double()
    sentences = some(generator)
    rubbish = torch.randint(0, 400, (len(sentences), 5), generator=torch.Generator().manual_seed(0))
    wide = Sentences(
        torch.cat([sentences.ids.where(sentences.mask, torch.tensor(7)), rubbish], 1),
        torch.nn.functional.pad(sentences.mask, (0, 5)),
        sentences.labels,
    )
    torch.testing.assert_close(generator.nll(wide), generator.nll(sentences), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(generator, wide), gradients(generator, sentences), rtol=1e-9, atol=1e-12)
    alone = torch.cat([generator.nll(sentences.take([row])) for row in range(len(sentences))])
    torch.testing.assert_close(alone, generator.nll(sentences), rtol=1e-12, atol=1e-12)


def test_the_last_layer_on_real_tokens_alone_is_the_whole_model() -> None:
    generator, slow = double(), double()
    assert generator._plain_head
    slow.__dict__["_plain_head"] = False
    sentences = some(generator)
    torch.testing.assert_close(generator.nll(sentences), slow.nll(sentences), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(generator, sentences), gradients(slow, sentences), rtol=1e-9, atol=1e-12)


def test_a_model_that_scales_its_logits_is_taken_as_it_is() -> None:
    vocabulary = fresh().vocabulary
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = GraniteConfig(vocab_size=vocabulary.size, num_key_value_heads=2, logits_scaling=3.0, **sizes)
    generator = Generator(GraniteForCausalLM(config).double(), vocabulary)
    assert not generator._plain_head
    sentences = some(generator, 1)
    expected = generator.model(input_ids=sentences.ids, labels=sentences.ids).loss
    torch.testing.assert_close(generator.nll(sentences)[0], expected.double(), rtol=1e-5, atol=1e-5)


def test_weights_that_are_used_twice_are_there_once() -> None:
    generator = fresh()
    embedding = generator.model.get_input_embeddings().weight
    assert generator.model.get_output_embeddings().weight is embedding
    assert sum(value is embedding for value in generator.parameters().values()) == 1
    held = sum(value.numel() for value in generator.parameters().values())
    assert held == sum(value.numel() for value in generator.model.parameters())


@pytest.mark.parametrize("pretrained", [False, True])
def test_what_is_read_is_what_was_written_and_transformers_reads_it_too(pretrained: bool, tmp_path: Path) -> None:
    given = GeneratorSettings(model=str(pretrained_folder(tmp_path / "model")))
    generator = build_generator(given, table(), STREAMS) if pretrained else fresh()
    generator.save(tmp_path / "kept")
    found = Generator.load(tmp_path / "kept")
    sentences = some(generator)
    assert torch.equal(found.nll(sentences), generator.nll(sentences))
    assert found.name == generator.name
    assert found.vocabulary.usual == generator.vocabulary.usual
    again = found.vocabulary.encode_table(table())
    assert torch.equal(again.ids, generator.vocabulary.encode_table(table()).ids)
    other = AutoModelForCausalLM.from_pretrained(tmp_path / "kept", use_safetensors=True)
    assert torch.equal(other(sentences.ids).logits, generator.model(sentences.ids).logits)
    names = {"config.json", "generator.json", "model.safetensors", "tokenizer.json"}
    assert {path.name for path in (tmp_path / "kept").iterdir()} == names


def test_a_folder_that_is_missing_damaged_or_half_replaced_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not a readable generator"):
        Generator.load(tmp_path / "nowhere")
    fresh().save(tmp_path / "one")
    fresh(pairs=True).save(tmp_path / "other")
    (tmp_path / "one" / "generator.json").write_bytes((tmp_path / "other" / "generator.json").read_bytes())
    with pytest.raises(ArtifactError, match="files of different generators"):
        Generator.load(tmp_path / "one")
    weights = tmp_path / "other" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(ArtifactError, match="not a readable generator"):
        Generator.load(tmp_path / "other")


def sealed(folder: Path) -> None:
    """Files that agree with one another, whoever changed them."""
    names = ("config.json", "tokenizer.json", "generator.json")
    digest = generator_file._digest({name: (folder / name).read_text(encoding="utf-8") for name in names})
    weights = load_file(folder / "model.safetensors")
    save_file(weights, folder / "model.safetensors", {"format": "pt", "beside": digest})


@pytest.mark.parametrize(
    ("changed", "told"),
    [("null", "different generators"), ("[1]", "different generators"), ('{"format": FORMAT}', "no generator of ours"),
     ('{"format": FORMAT, "name": "x", "base": "y"}', "no generator of ours")],
)  # fmt: skip
def test_what_another_hand_has_put_into_its_files_is_refused_in_a_line(changed: str, told: str, tmp_path: Path) -> None:
    fresh().save(tmp_path)
    text = changed.replace("FORMAT", str(generator_file.FORMAT))
    (tmp_path / "generator.json").write_text(text, encoding="utf-8")
    sealed(tmp_path)
    with pytest.raises(ArtifactError, match=told):
        Generator.load(tmp_path)


def test_at_random_every_token_is_about_as_probable() -> None:
    generator = fresh()
    found = float(generator.nll(some(generator, 40)).detach().mean())
    assert found == pytest.approx(math.log(generator.vocabulary.size), rel=0.05)
