"""What training reads: cached pictures, and random crops of them."""
