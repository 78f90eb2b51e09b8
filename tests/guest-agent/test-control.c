/* The asking end of the local socket: what it prints and how it ends, whatever pieces the answer comes in.
 */
#include <linux/sockios.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "guest-agent/control.h"

/* One who asks, in a process of its own, and the test as the agent. */
struct scene {
        char dir[32], path[48];
        int listener, agent, printed; /* owned */
        pid_t asker;
};

static void begin(struct scene *s) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char asked[7];
        int out[2];

        *s = (struct scene){ .dir = "/tmp/cvm-control-XXXXXX" };
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->path, sizeof s->path, "%s/agent.sock", s->dir);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", s->path);
        s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(s->listener, 1), 0);
        assert_int_equal(pipe(out), 0);
        s->asker = fork();
        if (s->asker == 0) {
                struct cvm_error err = { 0 };

                dup2(out[1], STDOUT_FILENO);
                _exit(control_ask(s->dir, "status", &err) & 0xff);
        }
        cvm_close(out[1]);
        s->printed = out[0];
        s->agent = accept(s->listener, NULL, NULL);
        assert_true(s->agent >= 0);
        assert_int_equal(recv(s->agent, asked, sizeof asked, MSG_WAITALL), sizeof asked);
        assert_memory_equal(asked, "status\n", sizeof asked);
}

/* A piece of the answer; the other side has it before the next is sent. */
static void say(const struct scene *s, const char *piece) {
        int unread;

        assert_int_equal(send(s->agent, piece, strlen(piece), MSG_NOSIGNAL), strlen(piece));
        do {
                sched_yield();
                assert_int_equal(ioctl(s->agent, SIOCOUTQ, &unread), 0);
        } while (unread > 0);
}

static int end(struct scene *s, char *printed, size_t size) {
        size_t n = 0;
        ssize_t got;
        int status;

        cvm_close(s->agent);
        while ((got = read(s->printed, printed + n, size - 1 - n)) > 0)
                n += (size_t)got;
        printed[n] = 0;
        assert_int_equal(waitpid(s->asker, &status, 0), s->asker);
        cvm_close(s->printed);
        cvm_close(s->listener);
        unlink(s->path);
        rmdir(s->dir);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void expect(const char *const *pieces, int status) {
        struct scene s;
        char printed[256], all[256] = "";

        begin(&s);
        for (; *pieces; pieces++) {
                say(&s, *pieces);
                strcat(all, *pieces);
        }
        assert_int_equal(end(&s, printed, sizeof printed), status);
        assert_string_equal(printed, all);
}

#define EXPECT(status, ...) expect((const char *const[]){ __VA_ARGS__, NULL }, status)

static void the_last_line_is_the_answer(void **state) {
        EXPECT(0, "ready root=luks\n");
        EXPECT(0, "waits for binding\n", "waits for secret:unacknowledged\n", "ready root=none\n");
        EXPECT(0, "two secrets\n", "refused by nobody\n");
        EXPECT(1, "refused: locked already\n");
        EXPECT(1, "unacknowledged\n");
        EXPECT(1, "unknown request\n");
}

static void pieces_do_not_change_it(void **state) {
        EXPECT(1, "refused: locked already", "\n");
        EXPECT(1, "ref", "used: locked already\n");
        EXPECT(0, "acknow", "ledged\n");
}

static void an_agent_that_is_gone_has_not_answered(void **state) {
        EXPECT(1, "");
        EXPECT(1, "acknow");
        EXPECT(1, "waits for binding\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_last_line_is_the_answer),
                cmocka_unit_test(pieces_do_not_change_it),
                cmocka_unit_test(an_agent_that_is_gone_has_not_answered),
        };

        alarm(60);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
