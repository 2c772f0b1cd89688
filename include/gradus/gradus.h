/* SPDX-License-Identifier: Apache-2.0
 *
 * Gradus: builds a static graph of tensor operations, derives its gradients and compiles the whole training step to
 * machine code.  This header includes all the others but abi.h, which is between the compiler and the runtime.
 */
#ifndef GRADUS_H
#define GRADUS_H

#include <gradus/common.h>

#include <gradus/graph.h>
#include <gradus/ops.h>
#include <gradus/build.h>
#include <gradus/nn.h>
#include <gradus/custom.h>
#include <gradus/autodiff.h>
#include <gradus/optim.h>
#include <gradus/schedule.h>
#include <gradus/checkpoint.h>
#include <gradus/compile.h>
#include <gradus/draw.h>
#include <gradus/run.h>
#include <gradus/data.h>
#include <gradus/csv.h>
#include <gradus/npy.h>
#include <gradus/model.h>
#include <gradus/plot.h>

#endif
