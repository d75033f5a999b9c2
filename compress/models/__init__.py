"""The PyTorch models of a run: loading, checking, taking layers out, answering."""
