"""How long a training step takes on this machine, timed on made-up tokens."""

import time

import torch
from torch import nn
from transformers import PreTrainedModel

from compress.tasks import task_of

TIMED_STEPS = 4


def step_seconds(
    model: PreTrainedModel, batch: int, tokens: int, device: str, *, bf16: bool, backward: bool
) -> float:
    """Median seconds of one step on a batch of this shape, the optimiser's share included."""
    nn.Module.to(model, device).train(backward)
    ids = torch.randint(0, model.config.vocab_size, (batch, tokens), device=device)
    times = []
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0) if backward else None
    for _ in range(TIMED_STEPS):
        start = time.perf_counter()
        with torch.set_grad_enabled(backward), torch.autocast(device, torch.bfloat16, enabled=bf16):
            logits = task_of(model).read_logits(model(input_ids=ids, attention_mask=torch.ones_like(ids)))
        if optimizer is not None:
            logits.float().logsumexp(-1).mean().backward()  # type: ignore[no-untyped-call]  # torch has no types here
            optimizer.step()
            optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    model.eval()
    return sorted(times[1:])[len(times[1:]) // 2]


def spoken(seconds: float) -> str:
    """Seconds for people."""
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
