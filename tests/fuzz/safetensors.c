/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: opened tensor by tensor, and loaded into a program with batches.  A load that fails leaves state and batches
 * as they were; after one that succeeds the state is saved and loaded again, and training goes on. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { ROWS = 10, BATCH = 5, MOST_BYTES = 1 << 20 };

/* The state that a checkpoint has to fit: "a" f32 (2), "b" f64 (1, 3), "n" i64 (). */
typedef struct {
    float a[2];
    double b[3];
    int64_t n;
    int64_t epoch, index;
} moment;

static gradus_program *program;
static gradus_batches *batches;

static void make_program(void) {
    static const float rows[ROWS];
    gradus_graph *g = gradus_graph_create();
    gradus_tensor a = gradus_param(g, "a", GRADUS_F32, GRADUS_SHAPE(2), gradus_zeros());
    gradus_tensor b = gradus_state(g, "b", GRADUS_F64, GRADUS_SHAPE(1, 3), gradus_zeros());
    gradus_tensor n = gradus_state(g, "n", GRADUS_I64, GRADUS_SCALAR, gradus_zeros());
    gradus_define(g, "look", GRADUS_NO_TENSORS, GRADUS_TENSORS(a, b, n), GRADUS_NO_UPDATES);
    gradus_data *data = NULL;
    const gradus_data_array column = {rows, GRADUS_F32, GRADUS_SHAPE(ROWS)};
    gradus_status status = gradus_jit(g, NULL, &program);
    if (!status) status = gradus_data_arrays(&column, 1, &data);
    if (!status) status = gradus_batches_create(data, gradus_batch_options(.batch_size = BATCH), &batches);
    FUZZ_REQUIRE(!status, "%s", gradus_last_error());
    gradus_data_destroy(&data);
    gradus_graph_destroy(&g);
}

static moment look(void) {
    moment m;
    memset(&m, 0, sizeof m);
    gradus_program_read(program, "a", m.a, sizeof m.a);
    gradus_program_read(program, "b", m.b, sizeof m.b);
    gradus_program_read(program, "n", &m.n, sizeof m.n);
    gradus_batches_tell(batches, &m.epoch, &m.index);
    return m;
}

static void go_on(void) {
    gradus_batch b;
    for (int epochs = 0; epochs < 2; epochs++)
        for (int count = 0; gradus_batches_next(batches, &b); count++)
            FUZZ_REQUIRE(count < ROWS / BATCH && b.size == BATCH, "an epoch has too many batches, or of another size");
}

static void load(const char *path) {
    FUZZ_REQUIRE(gradus_program_init(program, 1) == GRADUS_OK, "%s", gradus_last_error());
    FUZZ_REQUIRE(gradus_batches_seek(batches, 0, 1) == GRADUS_OK, "%s", gradus_last_error());
    const moment before = look();
    const gradus_status status = gradus_load_with(program, path, .batches = batches);
    const moment after = look();
    if (status != GRADUS_OK) {
        FUZZ_REQUIRE(memcmp(&before, &after, sizeof before) == 0, "changed by a load that fails: %s",
                     gradus_last_error());
        size_t loaded = 0;
        gradus_load(program, path);
        gradus_load_matching(program, path, "?", &loaded);
        return;
    }
    const char *copy = fuzz_file(1, "", 0);
    FUZZ_REQUIRE(gradus_save_with(program, copy, .batches = batches) == GRADUS_OK, "%s", gradus_last_error());
    FUZZ_REQUIRE(gradus_load_with(program, copy, .batches = batches) == GRADUS_OK, "%s", gradus_last_error());
    const moment again = look();
    FUZZ_REQUIRE(memcmp(&after, &again, sizeof after) == 0, "saved and loaded, and not the same");
    go_on();
}

static void open(const char *path) {
    gradus_safetensors *file = NULL;
    gradus_info info;
    const gradus_status status = gradus_safetensors_open(path, &file);
    if (!fuzz_read(status, file)) return;
    gradus_safetensors_metadata(file, "format");
    for (size_t i = 0; gradus_safetensors_info(file, i, &info) == GRADUS_OK; i++) {
        FUZZ_REQUIRE(info.name, "a tensor without a name");
        if (info.bytes > MOST_BYTES) continue;
        void *data = malloc(info.bytes + !info.bytes);
        FUZZ_REQUIRE(data, "out of memory");
        gradus_safetensors_read(file, info.name, data, info.bytes);
        free(data);
    }
    gradus_safetensors_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!program) make_program();
    const char *path = fuzz_file(0, data, size);
    open(path);
    load(path);
    return 0;
}
