/* SPDX-License-Identifier: Apache-2.0
 * A growing list of texts that it owns: names of columns and of classes. */
#ifndef GRADUS_RUNTIME_DATA_TEXT_LIST_H
#define GRADUS_RUNTIME_DATA_TEXT_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty list. */
typedef struct {
    char **items;
    size_t count, room;
} text_list;

/* Puts a copy of `length` bytes, with '\0' behind, at place `at` ≤ count; false where memory is short. */
bool text_list_insert(text_list *list, size_t at, const char *text, size_t length);
bool text_list_add(text_list *list, const char *text, size_t length);
bool text_list_copy(text_list *list, const text_list *from); /* to an empty one; what came first stays where it fails */
void text_list_free(text_list *list);

const char *text_list_name(const void *list, size_t index); /* as names_near asks for them */

#endif
