"""Classifiers that read word embeddings without a transformer, and how transformers knows them.

A bidirectional LSTM as Tang et al. distil BERT into ("Distilling Task-Specific Knowledge from BERT into
Simple Neural Networks", 2019, section 3.1) and Kim's convolutions ("Convolutional Neural Networks for Sentence
Classification", 2014, section 2). Importing this module registers both with the Auto classes.

Padding, on the right as everywhere here, changes no answer: what stands beyond a text's length is never
read. Both export to graphs with free batch and length, the LSTM as ONNX's own operator.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

Pooling = Literal["last", "max"]


class WordModelConfig(PreTrainedConfig):
    """What both have."""

    vocab_size: int = 30522
    embedding_size: int = 300
    dropout: float = 0.5
    pad_token_id: int | None = 0
    max_position_embeddings: int = 512  # the teacher's; these models themselves have no limit
    tie_word_embeddings: bool = False


@strict
class BiLstmConfig(WordModelConfig):
    """Sizes of a bidirectional LSTM."""

    model_type = "compress-bilstm"

    hidden_size: int = 150  # of one direction
    num_hidden_layers: int = 1
    head_size: int = 200
    pooling: Pooling = "last"


@strict
class TextCnnConfig(WordModelConfig):
    """Sizes of Kim's convolutions."""

    model_type = "compress-textcnn"

    kernel_sizes: list[int] | tuple[int, ...] = (3, 4, 5)
    filters: int = 100  # of each size


class WordModel(PreTrainedModel):
    """Word embeddings, what reads them, and a linear classifier; weights start as PyTorch's modules do."""

    config: WordModelConfig
    embeddings: nn.Embedding

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings, (tokens, width)."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Others in their place."""
        assert isinstance(value, nn.Embedding)
        self.embeddings = value

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **_: object,
    ) -> SequenceClassifierOutput:
        """Logits of shape (batch, labels) for ids and mask (0 at padding, on the right) of shape (batch, tokens)."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        lengths = attention_mask.sum(dim=1, keepdim=True).clamp(min=1)
        return SequenceClassifierOutput(logits=self.logits(self.embeddings(input_ids), lengths))

    def logits(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Logits (batch, labels) for words (batch, tokens, embedding) and each text's length (batch, 1)."""
        raise NotImplementedError

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv1d | nn.LSTM | nn.Embedding):
            module.reset_parameters()


class BiLstmForSequenceClassification(WordModel):
    """Layers of two LSTMs, one of them on the reversed text; the final states pass a hidden layer."""

    config_class = BiLstmConfig
    config: BiLstmConfig

    def __init__(self, config: BiLstmConfig) -> None:
        super().__init__(config)
        widths = [config.embedding_size] + [2 * config.hidden_size] * (config.num_hidden_layers - 1)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        self.forwards = nn.ModuleList(
            nn.LSTM(width, config.hidden_size, batch_first=True) for width in widths
        )
        self.backwards = nn.ModuleList(
            nn.LSTM(width, config.hidden_size, batch_first=True) for width in widths
        )
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.Linear(2 * config.hidden_size, config.head_size)
        self.classifier = nn.Linear(config.head_size, _labels(config))
        self.post_init()  # type: ignore[no-untyped-call]  # transformers leaves it so

    def logits(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """See `WordModel.logits`; equations 1 to 3 of the paper, section 3.1."""
        places = torch.arange(words.shape[1], device=words.device).unsqueeze(0)
        within = places < lengths
        turned = torch.where(within, lengths - 1 - places, places)
        states = words
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            states = self.dropout(states)
            if torch.onnx.is_in_onnx_export() and torch.compiler.is_exporting():
                states = _onnx_lstm([ahead, back], states, lengths, self.config.hidden_size)
            else:
                against = _at(back(_at(states, turned))[0], turned)
                states = torch.cat([ahead(states)[0], against], dim=-1)
        if self.config.pooling == "max":
            pooled = states.masked_fill(~within.unsqueeze(-1), -1.0).amax(dim=1)  # a state is above -1
        else:
            size = self.config.hidden_size
            pooled = torch.cat([_at(states, lengths - 1)[:, 0, :size], states[:, 0, size:]], dim=-1)
        hidden = functional.relu(self.hidden(self.dropout(pooled)))
        logits: torch.Tensor = self.classifier(self.dropout(hidden))
        return logits


class TextCnnForSequenceClassification(WordModel):
    """Windows of several sizes, the strongest answer of each filter, dropout, a linear classifier."""

    config_class = TextCnnConfig
    config: TextCnnConfig

    def __init__(self, config: TextCnnConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.embedding_size, config.filters, size) for size in config.kernel_sizes
        )
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.filters * len(config.kernel_sizes), _labels(config))
        self.post_init()  # type: ignore[no-untyped-call]  # transformers leaves it so

    def logits(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """See `WordModel.logits`; equations 2 to 4 of the paper. A text shorter than a window ends in zeros."""
        places = torch.arange(words.shape[1], device=words.device).unsqueeze(0)
        channels = torch.where((places < lengths).unsqueeze(-1), words, 0.0).transpose(1, 2)
        strongest = []
        for size, convolution in zip(self.config.kernel_sizes, self.convolutions, strict=True):
            features = functional.relu(convolution(functional.pad(channels, (0, size - 1))))
            whole = places <= (lengths - size).clamp(min=0)  # windows that lie within the text
            strongest.append(torch.where(whole.unsqueeze(1), features, 0.0).amax(dim=-1))
        logits: torch.Tensor = self.classifier(self.dropout(torch.cat(strongest, dim=-1)))
        return logits


def _labels(config: PreTrainedConfig) -> int:
    return int(config.num_labels or 0)


def _at(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """States (batch, tokens, width) at places (batch, n): (batch, n, width)."""
    return states.gather(1, places.unsqueeze(-1).expand(-1, -1, states.shape[-1]))


def _onnx_lstm(
    directions: Sequence[nn.Module], words: torch.Tensor, lengths: torch.Tensor, hidden: int
) -> torch.Tensor:
    """The same as one operator of the graph: states (batch, tokens, 2 hidden) for words (batch, tokens, width).

    `torch.export` would unroll an `nn.LSTM`, and so fix the length. The operator takes lengths itself. (The
    TorchScript exporter knows `nn.LSTM`, and does not know how to be given an operator.)
    """

    def weights(*names: str) -> torch.Tensor:
        return torch.stack(
            [torch.cat([_onnx_gates(getattr(one, name)) for name in names]) for one in directions]
        )

    batch, tokens, _ = words.shape
    (states,) = torch.onnx.ops.symbolic_multi_out(
        "::LSTM",
        [
            words.transpose(0, 1),
            weights("weight_ih_l0"),
            weights("weight_hh_l0"),
            weights("bias_ih_l0", "bias_hh_l0"),
            lengths.squeeze(1).to(torch.int32),
        ],
        {"hidden_size": hidden, "direction": "bidirectional"},
        dtypes=[words.dtype],
        shapes=[(tokens, 2, batch, hidden)],
    )
    return states.permute(2, 0, 1, 3).reshape(batch, tokens, 2 * hidden)


def _onnx_gates(values: torch.Tensor) -> torch.Tensor:
    """Rows of PyTorch's gates (input, forget, cell, output) as ONNX has them (input, output, forget, cell)."""
    input_, forget, cell, output = values.chunk(4)
    return torch.cat([input_, output, forget, cell])


for _config, _model in (
    (BiLstmConfig, BiLstmForSequenceClassification),
    (TextCnnConfig, TextCnnForSequenceClassification),
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModelForSequenceClassification.register(_config, _model, exist_ok=True)
