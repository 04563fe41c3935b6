"""The fused tail: labels, loss and counts computed directly from coarse logits."""
