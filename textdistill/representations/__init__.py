"""Real data as tensors: words, word pieces, texts and pixels, each answering for itself."""
