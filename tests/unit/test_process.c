/* SPDX-License-Identifier: Apache-2.0
 *
 * The process around the library: it may forbid writable code, be short of memory, of stack or of threads, have signals
 * that its own threads wait for, and end while another thread compiles or trains.  Each case is a child, whose standard error must
 * stay empty; what a machine refuses is skipped with a word. */
#include "tests/cmocka_all.h"

#include <gradus/gradus.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { ROWS = 16, REFUSED = 77 };

/* Compiles a classifier and takes some steps with it; whether that went well. */
static gradus_status compile_and_train(int steps) {
    static float rows[ROWS * 20], loss;
    static int32_t labels[ROWS];
    gradus_graph *g = gradus_graph_create();
    gradus_tensor x = gradus_input(g, "x", GRADUS_F32, GRADUS_SHAPE(GRADUS_BATCH, 20));
    gradus_tensor y = gradus_input(g, "y", GRADUS_I32, GRADUS_SHAPE(GRADUS_BATCH));
    gradus_tensor logits = gradus_dense(gradus_dense(x, .units = 64, .activation = GRADUS_TANH), .units = 10);
    gradus_tensor l = gradus_mean(gradus_softmax_cross_entropy(logits, y), GRADUS_ALL_AXES, false);
    gradus_define(g, "train", GRADUS_TENSORS(x, y), GRADUS_TENSORS(l), gradus_minimize(l, gradus_adam()));
    gradus_program *p = NULL;
    gradus_status status = gradus_jit(g, gradus_compile_options(.max_batch = ROWS, .threads = 2), &p);
    if (!status) status = gradus_program_init(p, 1);
    for (int i = 0; i < steps && !status; i++)
        status = gradus_call(p, "train", ROWS, GRADUS_INPUTS(rows, labels), GRADUS_OUTPUTS(&loss));
    gradus_program_destroy(&p);
    gradus_graph_destroy(&g);
    return status;
}

/* Runs a function in a child; what that returns is the child's exit status.  Its standard error is in `said`. */
static int in_child(int (*function)(long), long argument, char *said, size_t size) {
    char path[] = "/tmp/gradus-process-XXXXXX";
    int file = mkstemp(path), status;
    assert_true(file >= 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(file, STDERR_FILENO);
        exit(function(argument));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    ssize_t n = pread(file, said, size - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(file);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void check_child(int (*function)(long), long argument) {
    char said[1024];
    int result = in_child(function, argument, said, sizeof said);
    if (result == REFUSED) {
        printf("skipped: %s\n", said);
        skip();
    }
    if (result != 0 || *said) fail_msg("with %ld the child ended with %d and said \"%s\"", argument, result, said);
}

static int refused(const char *what) {
    fprintf(stderr, "%s", what);
    return REFUSED;
}

/* --- code that cannot be made executable --------------------------------------------------------------------------- */

static int without_writable_code(long unused) {
    (void)unused;
#if defined(__linux__)
    enum { SET_MDWE = 65, REFUSE_EXEC_GAIN = 1 }; /* Linux 6.3 */
    if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0) return refused("the kernel has no PR_SET_MDWE");
#else
    return refused("prctl is Linux'");
#endif
    if (compile_and_train(1) != GRADUS_ERROR_COMPILER) return 1;
    return strstr(gradus_last_error(), "ermission denied") ? 0 : 2;
}

static void the_reason_is_in_the_error(void **unused) {
    (void)unused;
    check_child(without_writable_code, 0);
}

/* --- memory -------------------------------------------------------------------------------------------------------- */

static int short_of_memory(long kilobytes) {
    struct rlimit all, few;
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld", &pages) != 1) return refused("there is no /proc/self/statm");
    fclose(f);
    getrlimit(RLIMIT_AS, &all);
    few = all;
    few.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)kilobytes * 1024;
    if (setrlimit(RLIMIT_AS, &few) != 0) return refused("the address space cannot be limited");
    gradus_status status = compile_and_train(1);
    if (status && status != GRADUS_ERROR_MEMORY) {
        setrlimit(RLIMIT_AS, &all);
        fprintf(stderr, "%s", gradus_last_error());
        return 1;
    }
    setrlimit(RLIMIT_AS, &all);
    status = compile_and_train(1); /* when there is memory again */
    return !status || strstr(gradus_last_error(), "cannot use it any more") ? 0 : 2;
}

static void out_of_memory_is_an_error(void **unused) {
    (void)unused;
    if (SANITIZED) skip(); /* a sanitizer's shadow needs all addresses */
#ifndef CATCHES_EXCEPTIONS
    skip(); /* built without a C++ compiler, LLVM ends the process */
#endif
    const bool wholly = getenv("GRADUS_LONG") != NULL;
    for (long kilobytes = 500; kilobytes < 200000; kilobytes = wholly ? kilobytes * 21 / 20 : kilobytes * 2)
        check_child(short_of_memory, kilobytes);
}

/* --- stack --------------------------------------------------------------------------------------------------------- */

static void *compile_here(void *status) {
    *(gradus_status *)status = compile_and_train(2);
    return NULL;
}

static int on_a_small_stack(long kilobytes) {
    pthread_t thread;
    pthread_attr_t attributes;
    gradus_status status = GRADUS_ERROR_BUSY;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, (size_t)kilobytes * 1024) != 0) return refused("no stack is that small");
    if (pthread_create(&thread, &attributes, compile_here, &status) != 0) return refused("no thread");
    pthread_join(thread, NULL);
    if (status) fprintf(stderr, "%s", gradus_last_error());
    return status != GRADUS_OK;
}

static void a_small_stack_is_enough(void **unused) {
    (void)unused;
    if (SANITIZED) skip(); /* its frames are larger */
    check_child(on_a_small_stack, 256);
    check_child(on_a_small_stack, 128);
}

/* --- signals ------------------------------------------------------------------------------------------------------- */

static pthread_t receiver;
static volatile sig_atomic_t received, elsewhere;

static void on_signal(int number) {
    (void)number;
    received++;
    if (!pthread_equal(pthread_self(), receiver)) elsewhere++;
}

static void *send_signals(void *stop) {
    while (!*(volatile bool *)stop) {
        kill(getpid(), SIGUSR1);
        usleep(200);
    }
    return NULL;
}

/* All threads but the caller's block the signal, so it is the caller's whatever the library does meanwhile. */
static int with_signals(long unused) {
    (void)unused;
    volatile bool stop = false;
    pthread_t sender;
    sigset_t set, before;
    receiver = pthread_self();
    signal(SIGUSR1, on_signal);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    pthread_create(&sender, NULL, send_signals, (void *)&stop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    gradus_status status = compile_and_train(20);
    stop = true;
    pthread_join(sender, NULL);
    if (status || elsewhere || !received) fprintf(stderr, "%s: %d of %d signals elsewhere", gradus_last_error(), (int)elsewhere, (int)received);
    return 0;
}

static void signals_are_the_callers(void **unused) {
    (void)unused;
    check_child(with_signals, 0);
}

/* --- the end ------------------------------------------------------------------------------------------------------- */

static int steps_of_a_round;

static void *compile_for_ever(void *unused) {
    while (compile_and_train(steps_of_a_round) == GRADUS_OK) {}
    return unused;
}

static int exit_meanwhile(long milliseconds) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, compile_for_ever, NULL) != 0) return refused("no thread");
    usleep((useconds_t)milliseconds * 1000);
    return 0;
}

/* A thread that exits while others compile, the main thread too, which ends when it is told that the process is ending. */
static void *exit_later(void *milliseconds) {
    usleep((useconds_t)(intptr_t)milliseconds * 1000);
    exit(0);
}

static int exit_in_a_thread(long milliseconds) {
    pthread_t threads[2];
    if (compile_and_train(1) != GRADUS_OK) return 1;
    if (pthread_create(&threads[0], NULL, compile_for_ever, NULL) != 0) return refused("no thread");
    if (pthread_create(&threads[1], NULL, exit_later, (void *)(intptr_t)milliseconds) != 0) return refused("no thread");
    compile_for_ever(NULL);
    return 0;
}

static void a_process_may_end_meanwhile(void **unused) {
    (void)unused;
    const long rounds = getenv("GRADUS_LONG") ? 400 : 12;
    for (long i = 0; i < rounds; i++) {
        steps_of_a_round = i % 2 ? 100000 : 0;
        check_child(exit_meanwhile, 1 + i * 397 % 300);
        if (i % 4 == 0) check_child(exit_in_a_thread, 1 + i * 397 % 100);
    }
}

/* A log function that ends the process from a thread of the library's. */
static void end_it(void *user, int32_t level, const char *message) {
    (void)user;
    (void)level;
    static atomic_bool ends; /* two threads must not call exit */
    if (strstr(message, "machine code") && !atomic_exchange(&ends, true)) exit(0);
}

static int exit_in_the_log(long unused) {
    (void)unused;
    gradus_set_log(end_it, NULL, 2);
    compile_and_train(1);
    return 1;
}

static void a_callback_may_end_the_process(void **unused) {
    (void)unused;
    check_child(exit_in_the_log, 0);
}

/* A child of fork that exits while the parent's other thread compiles must not wait for that thread, which it has not. */
static int fork_meanwhile(long unused) {
    (void)unused;
    pthread_t thread;
    int status = 0;
    if (pthread_create(&thread, NULL, compile_for_ever, NULL) != 0) return refused("no thread");
    for (int i = 0; i < 5 && status == 0; i++) {
        usleep(20000);
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            exit(0);
        }
        if (waitpid(child, &status, 0) != child) return 1;
    }
    return status != 0;
}

static void a_forked_child_may_end(void **unused) {
    (void)unused;
    if (SANITIZED) skip();
    steps_of_a_round = 0;
    check_child(fork_meanwhile, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reason_is_in_the_error),     cmocka_unit_test(out_of_memory_is_an_error),
        cmocka_unit_test(a_small_stack_is_enough),        cmocka_unit_test(signals_are_the_callers),
        cmocka_unit_test(a_process_may_end_meanwhile),    cmocka_unit_test(a_callback_may_end_the_process),
        cmocka_unit_test(a_forked_child_may_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
