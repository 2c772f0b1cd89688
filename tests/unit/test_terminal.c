/* SPDX-License-Identifier: Apache-2.0
 * What a fit prints on a terminal of some width and kind: a bar that is written over and over and fits, or plain lines. */
#include "model_data.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static gradus_verdict wait_for_a_redraw(void *unused, const gradus_progress *now) {
    (void)unused;
    (void)now;
    usleep(30000);
    return GRADUS_CONTINUE;
}

/* What a terminal with so many columns was sent by a fit of two epochs, whose TERM is `kind`. */
static void show(int columns, const char *kind, bool no_color, char *shown, size_t size) {
    struct termios raw;
    int screen = posix_openpt(O_RDWR | O_NOCTTY);
    if (screen < 0 || grantpt(screen) || unlockpt(screen)) {
        printf("skipped: the system has no pseudoterminals\n");
        skip();
    }
    FILE *terminal = fopen(ptsname(screen), "w");
    assert_non_null(terminal);
    assert_int_equal(ioctl(fileno(terminal), TIOCSWINSZ, &(struct winsize){.ws_row = 24, .ws_col = (unsigned short)columns}), 0);
    assert_int_equal(tcgetattr(fileno(terminal), &raw), 0);
    raw.c_oflag &= ~(tcflag_t)OPOST; /* "\n" stays as it is */
    assert_int_equal(tcsetattr(fileno(terminal), TCSANOW, &raw), 0);
    if (kind) setenv("TERM", kind, 1);
    else unsetenv("TERM");
    if (no_color) setenv("NO_COLOR", "1", 1);
    else unsetenv("NO_COLOR");
    unsetenv("COLUMNS");

    gradus_data *data = NULL;
    const gradus_data_array arrays[] = {{inputs, GRADUS_F32, GRADUS_SHAPE(ROWS, FEATURES)}, {labels, GRADUS_I32, GRADUS_SHAPE(ROWS)}};
    gradus_model *m = gradus_model_create(GRADUS_F32, GRADUS_SHAPE(FEATURES));
    fill_data();
    OK(gradus_data_arrays(arrays, 2, &data));
    OK(gradus_model_add(m, gradus_layer_dense(.units = CLASSES)));
    OK(gradus_model_compile(m, .optimizer = gradus_adam(), .loss = GRADUS_SPARSE_CATEGORICAL_CROSSENTROPY, .metrics = GRADUS_ACCURACY));
    OK(gradus_model_fit(m, data, .epochs = 2, .batch_size = 25, .validation_split = 0.2, .on_batch = wait_for_a_redraw,
                        .verbose = 1, .stream = terminal));
    gradus_model_destroy(&m);
    gradus_data_destroy(&data);

    fclose(terminal); /* then what was sent can be read to its end */
    size_t n = 0;
    for (ssize_t more; n < size - 1 && (more = read(screen, shown + n, size - 1 - n)) > 0;) n += (size_t)more;
    shown[n] = '\0';
    close(screen);
}

static int count(const char *in, const char *what) {
    int n = 0;
    for (const char *at = in; (at = strstr(at, what)); at += strlen(what)) n++;
    return n;
}

static void terminals_that_cannot_move_their_cursor_get_lines(void **unused) {
    (void)unused;
    static const char *const kinds[] = {"dumb", "", NULL};
    char shown[4096];
    for (size_t i = 0; i < 3; i++) {
        show(80, kinds[i], false, shown, sizeof shown);
        if (strpbrk(shown, "\r\033") || count(shown, "\n") != 2 || !strstr(shown, "Epoch 1/2 - 3/3 - ") || !strstr(shown, " - val_loss: "))
            fail_msg("TERM \"%s\" gets\n%s", kinds[i] ? kinds[i] : "(unset)", shown);
    }
}

static void a_bar_fits_the_terminal(void **unused) {
    (void)unused;
    static const struct {
        int columns, cells;
    } widths[] = {{200, 20}, {80, 20}, {70, 10}, {61, 1}, {60, 0}, {12, 0}, {1, 0}, {0, 20}}; /* 0: it does not say */
    char shown[4096];
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        show(widths[i].columns, "xterm", i % 2, shown, sizeof shown);
        const char *last = strrchr(shown, '\r');
        if (!last || !strstr(last, "\r3/3 ") || count(last, "━") != widths[i].cells || !strstr(last, " - val_loss: "))
            fail_msg("not %d cells in %d columns:\n%s", widths[i].cells, widths[i].columns, shown);
        /* what is drawn during an epoch is cut, not wrapped, and says so each time */
        if (!strstr(shown, "\033[?7l\r1/3 ") || count(shown, "\033[?7l") != count(shown, "\033[?7h"))
            fail_msg("lines are not cut in %d columns:\n%s", widths[i].columns, shown);
        for (const char *at = shown; (at = strchr(at, '\033')); at++)
            if (at[1 + strspn(at + 1, "[?;0123456789")] == 'm') fail_msg("colours:\n%s", shown);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminals_that_cannot_move_their_cursor_get_lines),
        cmocka_unit_test(a_bar_fits_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
