"""The latents of all images: cached for training, and as a space to look for neighbours in."""
