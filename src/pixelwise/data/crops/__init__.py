"""The data that training reads: cached pictures, and random crops of them."""
