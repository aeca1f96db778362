"""A set of texts held in a language model: what can be written is learned, not each text (DiLM)."""

from textdistill.synthetic.generator.build import build_generator
from textdistill.synthetic.generator.generator import Generator
from textdistill.synthetic.generator.language_model import perplexity, train_language_model
from textdistill.synthetic.generator.sampling import Sampled, sample
from textdistill.synthetic.generator.sentences import Sentences
from textdistill.synthetic.generator.settings import GeneratorSettings, LanguageModelStage, Sampling
from textdistill.synthetic.generator.vocabulary import Vocabulary

__all__ = [
    "Generator",
    "GeneratorSettings",
    "LanguageModelStage",
    "Sampled",
    "Sampling",
    "Sentences",
    "Vocabulary",
    "build_generator",
    "perplexity",
    "sample",
    "train_language_model",
]
