/* SPDX-License-Identifier: Apache-2.0
 * Compiling a graph into the running process. */
#ifndef GRADUS_BACKEND_JIT_H
#define GRADUS_BACKEND_JIT_H

#include <gradus/gradus.h>

/* gradus_jit for a CPU by LLVM's name and features, "x86-64-v2+fma" for instance, which this machine must be able to run;
 * NULL: this machine's. */
gradus_status jit_for_cpu(gradus_graph *g, const gradus_compile_options *options, const char *cpu, gradus_program **program);

#endif
