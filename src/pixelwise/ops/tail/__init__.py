"""The fused tail: labels, loss and counts straight from coarse logits."""
