"""The tensors that are learned, how they begin and are kept valid; the generator, its data and its pool."""
