"""Training in several processes: batch norms over the batches of all of them."""

from typing import Self

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SharedBatchNorm(nn.BatchNorm1d):
    """Batch norm over the batches of all processes, on any device (torch's own needs a GPU).

    With it the loss of a batch does not depend on how many processes share it. Under gradient accumulation the
    statistics are those of a micro-batch of all processes.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm1d) -> Self:
        """Make one with the weights and statistics of a batch norm."""
        shared = cls(norm.num_features, norm.eps, norm.momentum)
        shared.load_state_dict(norm.state_dict())
        return shared

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        count = x.shape[0] * x.shape[2] * torch.distributed.get_world_size()
        with torch.autocast(x.device.type, enabled=False):
            wide = x.float()
            mean = all_reduce(wide.sum((0, 2))) / count
            centred = wide - mean[:, None]
            variance = all_reduce(centred.square().sum((0, 2))) / count
            normed = centred * (variance + self.eps).rsqrt()[:, None]
            result = normed * self.weight[:, None] + self.bias[:, None]
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
            self.num_batches_tracked += 1
        return result.to(x.dtype)


def share_batch_norms(network: nn.Module) -> None:
    """Replace every batch norm inside a network by one over all processes; keys and values of its state stay."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm1d:
                setattr(module, name, SharedBatchNorm.of(child))
