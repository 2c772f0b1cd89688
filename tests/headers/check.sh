#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: check.sh HEADER INCLUDE_DIR BUILD_INCLUDE_DIR CC [CXX...]
# Compiles one public header alone, in each language that its users write in, with every warning an error; by more than one
# C++ compiler in one standard.
set -eu
header=$1 source=$2 build=$3 cc=$4
shift 4
file=$(mktemp -d)
trap 'rm -rf "$file"' EXIT

check() {
    compiler=$1 language=$2 standard=$3
    # Twice: the header guards itself.
    printf '#include <gradus/%s>\n#include <gradus/%s>\nint unit;\n' "$header" "$header" >"$file/unit"
    echo "$header as $standard"
    $compiler -x "$language" -std="$standard" -pedantic -Wall -Wextra -Wshadow -Werror -I"$source" -I"$build" \
        -fsyntax-only "$file/unit"
}

for standard in c11 c17; do check "$cc" c $standard; done
[ $# -gt 0 ] || exit 0
for standard in c++11 c++14 c++17 c++20; do check "$1" c++ $standard; done
shift
for cxx; do check "$cxx" c++ c++17; done
