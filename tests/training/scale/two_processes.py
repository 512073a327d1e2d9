"""Run by torchrun: what two real processes make of gradients and shards, one file of JSON each.

torchrun --nproc-per-node 2 two_processes.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from torch import distributed, nn

from llama_mini.training.scale import reduce, shard


def main() -> None:
    distributed.init_process_group("gloo")
    rank, world_size = distributed.get_rank(), distributed.get_world_size()
    parameters = [nn.Parameter(torch.zeros(())) for _ in range(2)]
    for factor, parameter in zip((1.0, 10.0), parameters, strict=True):
        parameter.grad = torch.tensor(factor * (rank + 1))
    reduce.average_gradients(parameters, distributed.all_reduce, world_size)

    mine = shard.shard(torch.arange(6.0).view(2, 3), rank, world_size)
    pieces = [torch.empty_like(mine) for _ in range(world_size)]
    distributed.all_gather(pieces, mine)
    found = {
        "mean": [parameter.grad.item() for parameter in parameters],
        "norm": reduce.global_norm([torch.tensor([3.0, 4.0][rank])], distributed.all_reduce),
        "whole": shard.unshard(pieces, (2, 3)).tolist(),
    }
    Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
