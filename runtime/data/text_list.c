/* SPDX-License-Identifier: Apache-2.0
 * A growing list of texts.  See text_list.h. */
#include "runtime/data/text_list.h"

#include "runtime/support.h"

#include <string.h>

bool text_list_insert(text_list *list, size_t at, const char *text, size_t length) {
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 8;
        char **items = memory_reallocate(list->items, room * sizeof *items);
        if (!items) return false;
        list->items = items;
        list->room = room;
    }
    char *copy = memory_reallocate(NULL, length + 1);
    if (!copy) return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    memmove(list->items + at + 1, list->items + at, (list->count - at) * sizeof *list->items);
    list->items[at] = copy;
    list->count++;
    return true;
}

bool text_list_add(text_list *list, const char *text, size_t length) {
    return text_list_insert(list, list->count, text, length);
}

bool text_list_copy(text_list *list, const text_list *from) {
    for (size_t i = 0; i < from->count; i++)
        if (!text_list_add(list, from->items[i], strlen(from->items[i]))) return false;
    return true;
}

void text_list_free(text_list *list) {
    for (size_t i = 0; i < list->count; i++) memory_free(list->items[i]);
    memory_free(list->items);
    *list = (text_list){0};
}

const char *text_list_name(const void *list, size_t index) { return ((const text_list *)list)->items[index]; }
