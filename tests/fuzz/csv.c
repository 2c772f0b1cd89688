/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables.  The input's first line has the options as letters, what follows is the file:
 *
 *     h header   l the last column is the label   n label_names   f label_dtype f32   s standardize   m missing   ; delimiter
 *
 * A table that is read has its rows in batches, and read a second time `like` the first it has the same. */
#include "tests/fuzz/fuzz.h"

#include <string.h>

typedef struct {
    gradus_csv_options o;
    const uint8_t *table;
    size_t size;
} input;

static input read_options(const uint8_t *data, size_t size) {
    input in = {.o = {.size_ = sizeof in.o}};
    size_t i = 0;
    for (; i < size && data[i] != '\n'; i++) {
        in.o.header |= data[i] == 'h';
        in.o.label_names |= data[i] == 'n';
        in.o.standardize |= data[i] == 's';
        in.o.missing |= data[i] == 'm';
        if (data[i] == 'l') in.o.label = "-1";
        if (data[i] == 'f') in.o.label_dtype = GRADUS_F32;
        if (data[i] == ';') in.o.delimiter = ';';
    }
    i += i < size;
    in.table = data + i;
    in.size = size - i;
    return in;
}

static void check_labels(const gradus_data *data, const gradus_batch *b) {
    const int64_t classes = gradus_data_classes(data, NULL);
    if (b->inputs.count < 2 || classes == 0) return;
    const bool floats = b->inputs.items[1].dtype == GRADUS_F32;
    for (int64_t i = 0; i < b->size; i++) {
        const void *labels = b->inputs.items[1].data;
        const double label = floats ? (double)((const float *)labels)[i] : (double)((const int32_t *)labels)[i];
        FUZZ_REQUIRE(label >= 0 && label < (double)classes, "class %g of %d", label, (int)classes);
    }
}

static gradus_batches *all_rows(const gradus_data *data, gradus_batch *b) {
    gradus_batches *batches = NULL;
    const gradus_status status = gradus_batches_create(
        data, gradus_batch_options(.batch_size = gradus_data_rows(data), .no_shuffle = true), &batches);
    FUZZ_REQUIRE(status == GRADUS_OK && gradus_batches_next(batches, b), "no batch: %s", gradus_last_error());
    FUZZ_REQUIRE(b->size == gradus_data_rows(data), "a batch has not all rows");
    return batches;
}

static void check_same(const gradus_data *data, const gradus_data *other) {
    gradus_batch a, b;
    gradus_batches *first = all_rows(data, &a), *second = all_rows(other, &b);
    check_labels(data, &a);
    FUZZ_REQUIRE(a.inputs.count == b.inputs.count && a.size == b.size, "rows or tensors differ");
    for (size_t i = 0; i < a.inputs.count; i++) {
        gradus_info info;
        FUZZ_REQUIRE(gradus_data_info(data, i, &info) == GRADUS_OK, "%s", gradus_last_error());
        FUZZ_REQUIRE(memcmp(a.inputs.items[i].data, b.inputs.items[i].data, info.bytes) == 0, "tensor %zu differs", i);
    }
    gradus_batches_destroy(&first);
    gradus_batches_destroy(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = read_options(data, size);
    gradus_data *table = NULL, *again = NULL;
    gradus_status status = (gradus_data_csv)(fuzz_file(0, in.table, in.size), &in.o, &table);
    if (!fuzz_read(status, table)) return 0;
    FUZZ_REQUIRE(gradus_data_rows(table) > 0, "a table without rows");
    in.o.like = table;
    status = (gradus_data_csv)(fuzz_file(0, in.table, in.size), &in.o, &again);
    FUZZ_REQUIRE(status == GRADUS_OK, "like itself: %s", gradus_last_error());
    check_same(table, again);
    gradus_data_destroy(&again);
    gradus_data_destroy(&table);
    return 0;
}
