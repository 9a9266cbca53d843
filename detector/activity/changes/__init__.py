"""What came and went of container stacks, at one site and from one site to another."""
