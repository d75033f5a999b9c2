"""`compress bench`: how fast a bundle answers on this machine, beside other bundles and PyTorch models."""
