"""Text-level distillation, stage by stage: language model, matching, generation, choice, judgement."""
