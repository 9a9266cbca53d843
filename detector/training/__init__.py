"""Training: tiles out of chips, augmentation, partial labels, the trainer, weights out."""
