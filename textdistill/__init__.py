"""textdistill: shrink a labelled text data set to a handful of samples that train a model almost as well."""
