/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GRADUS_RUN_H
#define GRADUS_RUN_H
#include <gradus/common.h>
#endif
