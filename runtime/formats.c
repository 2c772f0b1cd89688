/* SPDX-License-Identifier: Apache-2.0
 * What a file is by its first bytes.  See formats.h. */
#include "runtime/formats.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct {
    const unsigned char *bytes;
    size_t n;
} content;

static bool has(content c, size_t at, const char *bytes, size_t length) {
    return c.n >= at + length && memcmp(c.bytes + at, bytes, length) == 0;
}

/* --- formats that a word at the begin does not tell --------------------------------------------------------------- */

/* The name of the first file in a ZIP archive tells whose archive it is. */
static const char *zip_of(content c) {
    enum { LENGTH = 26, NAME = 30 };
    static const struct {
        const char *part, *what;
    } archives[] = {
        {".npy", "an .npz file of NumPy, a ZIP archive of .npy files: unzip it and give one of these"},
        {"/data.pkl", "a file that torch.save wrote; safetensors' save_file writes what is read here"},
        {"[Content_Types].xml", "a spreadsheet (.xlsx): save it as CSV"},
        {"_rels/", "a spreadsheet (.xlsx): save it as CSV"},
        {"xl/", "a spreadsheet (.xlsx): save it as CSV"},
        {"mimetype", "a spreadsheet (.ods): save it as CSV"},
    };
    char name[256] = "";
    if (c.n > NAME) {
        size_t length = (size_t)(c.bytes[LENGTH] | c.bytes[LENGTH + 1] << 8), there = c.n - NAME;
        if (length > there) length = there;
        if (length >= sizeof name) length = sizeof name - 1;
        memcpy(name, c.bytes + NAME, length);
    }
    for (size_t i = 0; i < sizeof archives / sizeof *archives; i++)
        if (strstr(name, archives[i].part)) return archives[i].what;
    return "a ZIP archive: unzip it and give a file of it";
}

/* A pickle of protocol 2 or later: protocol, then an opcode. */
static const char *pickle_of(content c) {
    bool is = c.n > 2 && c.bytes[0] == 0x80 && c.bytes[1] >= 2 && c.bytes[1] <= 5;
    return is ? "a pickle of Python's, as older files of torch.save are" : NULL;
}

static const char *idx_of(content c) {
    bool is = c.n >= 8 && c.bytes[0] == 0 && c.bytes[1] == 0 && c.bytes[2] >= 0x08 && c.bytes[2] <= 0x0e &&
              c.bytes[2] != 0x0a && c.bytes[3] >= 1 && c.bytes[3] <= 8;
    return is ? "an IDX file, as MNIST's are" : NULL;
}

/* The length of a header of less than 16 MB, and its begin. */
static const char *safetensors_of(content c) {
    static const char zeros[5] = {0};
    bool is = has(c, 3, zeros, sizeof zeros) && has(c, 8, "{\"", 2);
    return is ? "a safetensors file" : NULL;
}

/* Text whose characters take two bytes each, of which one is 0 where the text is Latin; or more of them, with a mark. */
static const char *wide_text_of(content c) {
    static const char utf_16[] = "text in UTF-16, which iconv -f UTF-16 -t UTF-8 converts";
    enum { LOOKED_AT = 64 };
    if (has(c, 0, "\xff\xfe\0\0", 4) || has(c, 0, "\0\0\xfe\xff", 4))
        return "text in UTF-32, which iconv -f UTF-32 -t UTF-8 converts";
    if (has(c, 0, "\xff\xfe", 2) || has(c, 0, "\xfe\xff", 2)) return utf_16;
    size_t n = c.n < LOOKED_AT ? c.n : LOOKED_AT;
    for (size_t zero = 0; zero < 2 && n >= 4; zero++) {
        size_t i = 0;
        while (i < n &&
               (i % 2 == zero ? c.bytes[i] == 0 : c.bytes[i] >= ' ' || strchr("\t\n\r", c.bytes[i] ? c.bytes[i] : 1)))
            i++;
        if (i == n) return utf_16;
    }
    return NULL;
}

static const char *html_of(content c) {
    static const char *const begins[] = {"<!doctype html", "<html"};
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(begins[i]);
        if (c.n >= length && strncasecmp((const char *)c.bytes, begins[i], length) == 0)
            return "a page in HTML, such as a server sends instead of a file";
    }
    return NULL;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

#define MAGIC(at, bytes) at, bytes, sizeof bytes - 1

static const struct {
    size_t at;
    const char *magic;
    size_t length;
    const char *what;
} formats[] = {
    {MAGIC(0, "\x93NUMPY"), "an .npy file of NumPy"},
    {MAGIC(0, "\x89HDF\r\n\x1a\n"), "an HDF5 file, as Keras and MATLAB write them"},
    {MAGIC(0, "\x1f\x8b"), "a file compressed with gzip: gunzip it"},
    {MAGIC(0, "\xfd"
              "7zXZ\0"),
     "a file compressed with xz: unxz it"},
    {MAGIC(0, "\x28\xb5\x2f\xfd"), "a file compressed with Zstandard: unzstd it"},
    {MAGIC(0, "\x04\x22\x4d\x18"), "a file compressed with LZ4: unlz4 it"},
    {MAGIC(4, "1AY&SY"), "a file compressed with bzip2: bunzip2 it"},
    {MAGIC(0, "7z\xbc\xaf\x27\x1c"), "a 7-Zip archive"},
    {MAGIC(257, "ustar"), "a tar archive: untar it and give a file of it"},
    {MAGIC(0, "GGUF\3\0\0\0"), "a GGUF file of llama.cpp"},
    {MAGIC(0, "PAR1\x15"), "a Parquet file"},
    {MAGIC(0, "ARROW1\0\0"), "an Arrow file"},
    {MAGIC(0, "SQLite format 3\0"), "an SQLite database"},
    {MAGIC(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
     "an older spreadsheet or document of Microsoft Office: save it as CSV"},
    {MAGIC(0, "MATLAB 5.0 MAT-file"), "a MATLAB file"},
    {MAGIC(0, "\x89PNG\r\n\x1a\n"), "a PNG picture"},
    {MAGIC(0, "\xff\xd8\xff"), "a JPEG picture"},
    {MAGIC(0, "GIF89a"), "a GIF picture"},
    {MAGIC(0, "%PDF-"), "a PDF document"},
    {MAGIC(0, "\x7f"
              "ELF"),
     "a program or library (ELF)"},
    {MAGIC(0, "version https://git-lfs.github.com/spec/"),
     "a pointer of Git LFS, not the file: git lfs pull fetches it"},
};

const char *format_of(const void *bytes, size_t n) {
    const content c = {bytes, n};
    static const char *(*const others[])(content) = {pickle_of, idx_of, safetensors_of, wide_text_of, html_of};
    if (has(c, 0, "PK\3\4", 4) || has(c, 0, "PK\5\6", 4)) return zip_of(c);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (has(c, formats[i].at, formats[i].magic, formats[i].length)) return formats[i].what;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *what = others[i](c);
        if (what) return what;
    }
    return NULL;
}

static bool is_text(content c) {
    for (size_t i = 0; i < c.n; i++)
        if (c.bytes[i] == 0x7f || (c.bytes[i] < ' ' && !(c.bytes[i] >= '\t' && c.bytes[i] <= '\r'))) return false;
    return c.n > 0;
}

const char *format_in_words(const void *bytes, size_t n, char text[FORMAT_TEXT]) {
    const char *what = format_of(bytes, n);
    if (!what && is_text((content){bytes, n})) what = "text";
    snprintf(text, FORMAT_TEXT, "%s%s", what ? "; this looks like " : "", what ? what : "");
    return text;
}
