/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: a program's whole state in a file of the safetensors format
 * (https://github.com/huggingface/safetensors), which Python's package of that name and most libraries open.
 *
 *     gradus_save(p, "mnist.safetensors");
 *     gradus_load(p, "mnist.safetensors");
 *
 * What is in it: every state tensor by its name in the graph, so parameters, what the optimizers keep (slots, the
 * number of steps, the learning rate), running statistics, and the random numbers' seed and counter, "rng".  With
 * batches also where they stand.  A run that is resumed from a checkpoint therefore gives the same bits as one that
 * was not interrupted, in the middle of an epoch too:
 *
 *     gradus_save_with(p, path, .batches = b);
 *     gradus_load_with(p, path, .batches = b);
 *
 * The program of a model that is fitted, or was, has more: how far the fit is, as metadata "fit.epoch" and so on, and where the
 * state of the best epoch is kept (gradus_fit_options, .restore_best), each tensor of it that is another than the state's,
 * as "fit.best/NAME".  gradus_load takes both; a file without them loads, too.
 *
 * Saving is all or nothing: path holds what it held before until the new file is whole and on the disk, whenever the
 * process is killed or the disk is full.  A process that is killed leaves a file beside, NAME.gradus-N.new (of a long name
 * the beginning), which the next save to the same path removes.  Loading is all or nothing too: the file is read and checked to its
 * end before the first byte of the state changes.
 *
 * Only regular files are read.  A pipe, a device, a socket or a directory is GRADUS_ERROR_IO at once.
 *
 * Threads.  Saving reads the state and loading writes it, with the meaning that run.h gives to both: what meets another
 * call gets GRADUS_ERROR_BUSY.  Batches belong to one thread at a time.
 *
 * Needs a library that was built with jansson; all functions that open or write a file give GRADUS_ERROR_IO otherwise.
 */
#ifndef GRADUS_CHECKPOINT_H
#define GRADUS_CHECKPOINT_H

#include <gradus/data.h>
#include <gradus/run.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the state to a file.  One that is there is replaced; a symbolic link stays and its target, which need not be there,
 * is replaced.  A pipe, and what is open (/dev/stdout, /dev/fd/3), is written to where it stands.
 * GRADUS_ERROR_UNINITIALIZED: there are no values yet.  GRADUS_ERROR_IO: the message has the path and the operating
 * system's reason.  GRADUS_ERROR_ARGUMENT: a state tensor has a name that the format cannot hold (one that is not
 * UTF-8, or "__metadata__", or of a model that was fitted "fit.best/…").  GRADUS_ERROR_MEMORY, GRADUS_ERROR_BUSY. */
GRADUS_API gradus_status gradus_save(gradus_program *program, const char *path);

/* Reads the state from a file that holds exactly this program's state tensors, with their dtypes and shapes (F16 and
 * BF16 in the file become F32).  The program need not be initialised before, and is afterwards.
 *
 * GRADUS_ERROR_MISMATCH: the message says which tensors the file lacks, which it has too many, and which differ in
 * dtype or shape.  GRADUS_ERROR_FORMAT: the file is not whole or breaks the format.  GRADUS_ERROR_NOT_FOUND,
 * GRADUS_ERROR_IO, GRADUS_ERROR_MEMORY, GRADUS_ERROR_BUSY.  After any of these the state is as it was. */
GRADUS_API gradus_status gradus_load(gradus_program *program, const char *path);

/* Zero means the default. */
typedef struct {
    size_t size_;
    const gradus_batches *batches; /* keep where they stand, with their seed and sizes */
    uint64_t reserved_[4];         /* zero */
} gradus_save_options;
#define gradus_save_options(...) GRADUS_OPTIONS_(gradus_save_options, __VA_ARGS__)

typedef struct {
    size_t size_;
    gradus_batches *batches; /* go to where the checkpoint's batches stood */
    uint64_t reserved_[4];   /* zero */
} gradus_load_options;
#define gradus_load_options(...) GRADUS_OPTIONS_(gradus_load_options, __VA_ARGS__)

/* The same with options.  A checkpoint that was saved without batches, or with batches of another seed, batch size or
 * number of rows, or that are shuffled or end otherwise, is GRADUS_ERROR_MISMATCH for batches that are to be loaded, and
 * nothing changes; one that has batches loads without too.  Whether the rows are the same ones is not looked at. */
GRADUS_API gradus_status gradus_save_with(gradus_program *program, const char *path,
                                          const gradus_save_options *options);
#define gradus_save_with(...) GRADUS_CALL_2_(gradus_save_with, gradus_save_options, __VA_ARGS__, )
GRADUS_API gradus_status gradus_load_with(gradus_program *program, const char *path,
                                          const gradus_load_options *options);
#define gradus_load_with(...) GRADUS_CALL_2_(gradus_load_with, gradus_load_options, __VA_ARGS__, )

/* Reads those state tensors whose names match a pattern (* stands for any characters, "/" too, ? for one) and which
 * the file has (pattern NULL: all of these); what else is in the file or the state does not matter, but a tensor that is
 * in both must agree in dtype and shape.  *loaded (may be NULL) becomes how many were read, 0 on an error.  The other
 * state tensors stay as they are: call gradus_program_init before.  Errors as of gradus_load. */
GRADUS_API gradus_status gradus_load_matching(gradus_program *program, const char *path, const char *pattern,
                                              size_t *loaded);

/* --- any safetensors file, tensor by tensor ----------------------------------------------------------------------
 *
 * For files whose names or layouts are others.  PyTorch's nn.Linear keeps its kernel as (out, in), Gradus as (in, out):
 *
 *     float theirs[10][784], ours[784][10];
 *     gradus_safetensors *f;
 *     if (gradus_safetensors_open("torch.safetensors", &f) != GRADUS_OK) …
 *     gradus_safetensors_read(f, "fc.weight", theirs, sizeof theirs);
 *     for (int i = 0; i < 784; i++)
 *         for (int j = 0; j < 10; j++) ours[i][j] = theirs[j][i];
 *     gradus_program_write(p, "fc/kernel", ours, sizeof ours);
 *     gradus_safetensors_close(&f);
 */
typedef struct gradus_safetensors gradus_safetensors;

/* Opens a file and checks its header, which says what is where.  The file must not change before _close.  Threads may
 * share it.  GRADUS_ERROR_NOT_FOUND, GRADUS_ERROR_IO, GRADUS_ERROR_FORMAT, GRADUS_ERROR_MEMORY; then *file is NULL. */
GRADUS_API gradus_status gradus_safetensors_open(const char *path, gradus_safetensors **file);
/* Clears the pointer; takes NULL and a pointer to NULL. */
GRADUS_API void gradus_safetensors_close(gradus_safetensors **file);

/* Describes the `index`-th tensor in the order of names, as _read gives it: F16 and BF16 become F32.  The dtype is 0 and
 * `bytes` are those in the file where _read cannot give it: it has no dtype of Gradus, or more than GRADUS_MAX_RANK axes, and
 * then the shape is (elements).  Such tensors hinder nothing else of the file.  The name lives until _close.
 * GRADUS_ERROR_NOT_FOUND past the last. */
GRADUS_API gradus_status gradus_safetensors_info(const gradus_safetensors *file, size_t index, gradus_info *info);

/* Reads a tensor, row-major.  `bytes` must be its size exactly.  GRADUS_ERROR_NOT_FOUND names what is near.
 * GRADUS_ERROR_MISMATCH: another size, or a dtype that Gradus has not; the message lists those that it reads.
 * GRADUS_ERROR_FORMAT: a BOOL that is neither 0 nor 1.  GRADUS_ERROR_IO.  After an error the memory may be written to in
 * part. */
GRADUS_API gradus_status gradus_safetensors_read(const gradus_safetensors *file, const char *name, void *data,
                                                 size_t bytes);

/* What the file's metadata say for a key; NULL where they have none.  Lives until _close. */
GRADUS_API const char *gradus_safetensors_metadata(const gradus_safetensors *file, const char *key);

#ifdef __cplusplus
}
#endif
#endif
