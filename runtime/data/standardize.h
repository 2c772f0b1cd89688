/* SPDX-License-Identifier: Apache-2.0
 * Features with mean 0 and variance 1. */
#ifndef GRADUS_RUNTIME_DATA_STANDARDIZE_H
#define GRADUS_RUNTIME_DATA_STANDARDIZE_H

#include "runtime/data/data.h"

/* Standardises the first column of a store, F32, with the means and deviations of `like`, or, where that is NULL, with its
 * own; NaNs are no part of these and become 0.  They are kept in the store.  GRADUS_ERROR_MEMORY. */
gradus_status standardize(const char *where, store *s, const store *like);

#endif
