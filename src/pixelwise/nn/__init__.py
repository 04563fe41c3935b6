"""Building blocks of decoders and heads."""
