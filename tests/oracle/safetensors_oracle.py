#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: safetensors_oracle.py FROM TO

Opens a checkpoint with the safetensors package and writes what it saw, tensors and metadata, to another file.
"""
import sys

from safetensors import safe_open
from safetensors.numpy import load_file, save_file

with safe_open(sys.argv[1], framework="np") as opened:
    metadata = opened.metadata()
save_file(load_file(sys.argv[1]), sys.argv[2], metadata=metadata)
