#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What wrote torch.safetensors: PyTorch 2.15 and safetensors 0.8.  test_checkpoint_files.c knows the values."""
import torch
from safetensors.torch import save_file

fc = torch.nn.Linear(3, 2)
with torch.no_grad():
    fc.weight.copy_(torch.tensor([[1.5, -2.25, 3.0], [0.1, 1e-40, -7.0]]))
    fc.bias.copy_(torch.tensor([0.5, float("-inf")]))
halves = [0.0, -0.0, 1.0, -1.5, 65504.0, 6e-8, 3.0517578125e-05, float("inf")]
tensors = {f"fc.{name}": value for name, value in fc.state_dict().items()}
tensors["half"] = torch.tensor(halves, dtype=torch.float16)
tensors["brain"] = torch.tensor([[1.0, -3.140625], [1e38, 1e-40]], dtype=torch.bfloat16)
tensors["steps"] = torch.tensor(-5, dtype=torch.int64)
tensors["mask"] = torch.tensor([True, False, True])
tensors["bytes"] = torch.tensor([1, -1], dtype=torch.int8)
save_file(tensors, "torch.safetensors", metadata={"format": "pt"})
