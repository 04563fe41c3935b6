"""The building blocks that decoders and heads are made of."""
