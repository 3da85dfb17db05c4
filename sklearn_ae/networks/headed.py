"""The encoder of a network with a linear head on its codes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sklearn_ae._units import Affine
from sklearn_ae.networks._layered import uninitialized
from sklearn_ae.networks._wrapper import Wrapper
from sklearn_ae.networks.contract import offers


class UsedParameters(TorchFunctionMode):
    """Inside the block, notes every parameter that an operation takes.

    Unlike gradients this also finds those that are frozen, detached or compared.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def _note(self, value: Any) -> None:
        if isinstance(value, nn.Parameter):
            self.ids.add(id(value))
        elif isinstance(value, list | tuple):
            for item in value:
                self._note(item)
        elif isinstance(value, dict):
            self._note(list(value.values()))

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self._note(args)
        self._note(kwargs)
        return func(*args, **(kwargs or {}))


def keep_encoder_only(network: Any, n_features: int) -> None:
    """Remove all parameters from `network` that ``encode`` does not use.

    None takes their place, as in a layer without a bias, so that optimizers, penalties
    and copies of the weights pass them over. What ``encode`` uses in training only
    stays. User-defined networks are tried in both modes; call this where torch's global
    generator is isolated.
    """
    used = UsedParameters()
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    # The package's own networks use the same parameters in both modes.
    for training in (False,) if offers(network).uses_own_generator else (False, True):
        network.train(training)
        with torch.no_grad(), used:
            network.encode(torch.zeros(2, n_features, dtype=torch.float32))
    for name, buffer in network.named_buffers():
        buffer.copy_(buffers[name])
    for part in network.modules():
        own = part.named_parameters(recurse=False, remove_duplicate=False)
        for name, parameter in list(own):
            if id(parameter) not in used.ids:
                part.register_parameter(name, None)
    network.train()


class HeadedNetwork(Wrapper):
    """``decode(z) = W (z - code_mean) / code_scale + b`` on the codes of a network.

    Parameters
    ----------
    n_features, n_components, network, network_params
        As `Wrapper` takes them. Only the encoder of the network is kept.

    n_outputs : int
        Width of the output.
    """

    code_mean: Tensor
    code_scale: Tensor
    decoder_activations = None

    def __init__(
        self, n_features: int, n_components: int, *, n_outputs: int, **params: Any
    ) -> None:
        super().__init__(n_features, n_components, **params)
        keep_encoder_only(self.network, n_features)
        self.has_linear_code = offers(self.network).has_linear_code
        self.head = uninitialized(nn.Linear, n_components, n_outputs)
        self.register_buffer("code_mean", torch.zeros(n_components))
        self.register_buffer("code_scale", torch.ones(n_components))

    def decode(self, z: Tensor) -> Tensor:
        return self.head((z - self.code_mean) / self.code_scale)

    def weight_scales(
        self, input: Affine, output: Affine, code_scale: float
    ) -> dict[str, float]:
        """None: penalties weigh weights that act on standardised inputs and codes."""
        return {}

    def reset_parameters_from(self, generator: torch.Generator) -> None:
        """Draws nothing; `start_from` and `set_head` set all weights."""

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take the encoder's weights from the state of a whole network."""
        names = self.network.state_dict()
        self.network.load_state_dict({name: weights[name] for name in names})

    @torch.no_grad()
    def set_head(
        self, weight: Tensor, bias: Tensor, code_mean: Tensor, code_scale: Tensor
    ) -> None:
        self.head.weight.copy_(weight)
        self.head.bias.copy_(bias)
        self.code_mean.copy_(code_mean)
        self.code_scale.copy_(code_scale)
