"""The networks of the released checkpoint: four compositional VQ-VAEs, a global motion predictor, a generator."""
