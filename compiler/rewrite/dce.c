/* SPDX-License-Identifier: Apache-2.0
 *
 * Dead code elimination: drops the nodes that no entry, update or state needs.  All states stay, the inputs of entries,
 * used or not, and calls with effects.
 *
 *     %3 = exp %1                      %3 = neg %1
 *     %4 = neg %1           →          output %3
 *     output %4
 */
#include "rewrite/rebuild.h"
#include "rewrite/rewrite.h"

bool dce(gradus_graph *g) {
    bool *needed = reachable_nodes(g, &g->memory);
    uint32_t dead = 0;
    for (uint32_t i = 1; i < g->nodes.count; i++) dead += !needed[i];
    if (!dead) return false;
    rebuild r;
    rebuild_begin(&r, g);
    for (uint32_t i = 1; i < r.count; i++)
        if (needed[i]) r.map[i] = rebuild_keep(&r, i);
    rebuild_end(&r);
    return true;
}
