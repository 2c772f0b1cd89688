/* SPDX-License-Identifier: Apache-2.0
 * LLVM's handler of memory that runs out, which has no C interface.  See bad_alloc.h. */
#include "backend/bad_alloc.h"

namespace llvm {
void install_bad_alloc_error_handler(void (*handler)(void *user, const char *reason, bool diagnostics), void *user);
void remove_bad_alloc_error_handler();
} // namespace llvm

static void (*out_of_memory)();

static void on_bad_alloc(void *, const char *, bool) { out_of_memory(); }

void bad_alloc_handle(void (*handler)()) {
    if (out_of_memory) llvm::remove_bad_alloc_error_handler();
    out_of_memory = handler;
    if (handler) llvm::install_bad_alloc_error_handler(on_bad_alloc, nullptr);
}
