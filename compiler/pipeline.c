/* SPDX-License-Identifier: Apache-2.0
 * The passes that every entry goes through before fusion, in order, until none changes anything. */
#include "pass.h"
#include "rewrite/rewrite.h"

const pass_row pipeline_rewrites[] = {
    {"fold", fold},
    {"simplify", simplify},
    {"cse", cse},
    {"dce", dce},
};
const size_t pipeline_rewrite_count = sizeof pipeline_rewrites / sizeof *pipeline_rewrites;
