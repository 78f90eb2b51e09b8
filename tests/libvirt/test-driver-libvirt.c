/*
 * What happens to a domain besides the driver: libvirtd dies and comes back, cvmd-libvirt dies, and somebody
 * is at the domain with virsh. Run by tests/libvirt/with-libvirtd.
 */
#include <dirent.h>
#include <glob.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/vm/driver-scene.h"
#include "vm/pidfd.h"

#define NAME "cvmd-t"

/* Without a wait for what comes of it. */
static void shell(const char *format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        if (system(text) != 0)
                fail_msg("%s", text);
}

static void virsh(const char *command) {
        shell("virsh -q -c qemu:///system %s >/dev/null", command);
}

static void libvirtd(const char *verb) {
        shell("\"$CVM_LIBVIRTD\" %s", verb);
}

/* One more vCPU in the definition: `virsh edit` by hand. */
static void edit(void) {
        shell("virsh -c qemu:///system dumpxml --inactive " NAME
              " | sed 's|>1</vcpu>|>2</vcpu>|; s|cores=.1.|cores=\"2\"|' "
              ">/run/libvirt/edited.xml && virsh -q -c qemu:///system define /run/libvirt/edited.xml >/dev/null");
}

static void start_again(struct fixture *f) {
        f->why = (struct cvm_error){ 0 };
        memset(f->seen, 0, sizeof f->seen);
        f->files[0] = open(f->disk, O_RDWR | O_CLOEXEC);
        start(f);
        wait_for(f, DRIVER_UP, 1);
}

static void pass(struct fixture *f) {
        assert_true(sd_event_run(f->event, 60000000) > 0);
}

/* It is as it was, nothing came twice, and it can be commanded. */
static void expect_in_life(struct fixture *f) {
        wait_for(f, DRIVER_FOUND, 1);
        assert_int_equal(f->seen[DRIVER_UP], 1);
        assert_int_equal(f->seen[DRIVER_RUNNING], 1);
        assert_int_equal(f->seen[DRIVER_PAUSED], 0);
        assert_int_equal(f->seen[DRIVER_CHANGED], 0);
        command(f, DRIVER_PAUSE);
        wait_for(f, DRIVER_PAUSED, 1);
        assert_null(f->why.code);
        command(f, DRIVER_CONT);
        wait_for(f, DRIVER_RUNNING, 2);
        command(f, DRIVER_QUIT);
        wait_for(f, DRIVER_GONE, 1);
        assert_int_equal(f->seen[DRIVER_GONE], 1);
        assert_null(f->why.code);
}

static void test_libvirtd_restarts(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        libvirtd("kill");
        libvirtd("start");
        expect_in_life(&f);
}

/* As systemd does: libvirt 9.0 dies of the event by which QEMU ends a dump that is no job of its own, or no
 * more. */
static void keep_libvirtd(void) {
        shell("virsh -q -c qemu:///system uri >/dev/null 2>&1 || { \"$CVM_LIBVIRTD\" kill && \"$CVM_LIBVIRTD\" start; }");
}

/* The dump is lost with it, and the guest goes on, or can be told to. */
static void test_libvirtd_restarts_while_it_is_dumped(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = -EBADF;

        begin_running(&f);
        fd = dump_into_pipe(&f);
        libvirtd("kill");
        libvirtd("start");
        while (!f.answered)
                drain(&f, fd);
        assert_non_null(f.why.code);
        while (f.seen[DRIVER_RUNNING] < 2) {
                struct cvm_error err = { 0 };

                keep_libvirtd();
                (void)the_driver->command(f.guest, DRIVER_CONT, on_answer, &f, &err);
                drain(&f, fd);
        }
        assert_int_equal(f.seen[DRIVER_PAUSED], 1);
}

static size_t count_files(pid_t pid) {
        char path[64];
        size_t n = 0;
        DIR *dir;

        snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
        dir = opendir(path);
        assert_non_null(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

/* Each connection has descriptors of its own; one more is open for a moment with each message. */
static void test_lost_connections_leave_nothing(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        size_t before;

        begin_running(&f);
        before = count_files(libvirt_link_pid());
        for (unsigned i = 1; i <= 4; i++) {
                libvirtd("kill");
                libvirtd("start");
                wait_for(&f, DRIVER_FOUND, i);
        }
        assert_true(count_files(libvirt_link_pid()) < before + 3);
}

static void test_cvmd_libvirt_dies(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        pid_t pid;

        begin_running(&f);
        pid = libvirt_link_pid();
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (libvirt_link_pid() == pid || libvirt_link_pid() == 0)
                pass(&f);
        expect_in_life(&f);
}

/* What happened meanwhile comes once, when it can be seen. */
static void test_paused_while_cvmd_libvirt_is_dead(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        assert_int_equal(kill(libvirt_link_pid(), SIGKILL), 0);
        virsh("suspend " NAME);
        wait_for(&f, DRIVER_PAUSED, 1);
        assert_int_equal(f.seen[DRIVER_FOUND], 1);
        assert_int_equal(f.seen[DRIVER_RUNNING], 1);
        virsh("resume " NAME);
        wait_for(&f, DRIVER_RUNNING, 2);
        assert_int_equal(f.seen[DRIVER_PAUSED], 1);
}

/* Nothing is said to live behind the death of its process, whether libvirt is there to say so or not. */
static void test_killed_while_libvirtd_is_away(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        libvirtd("kill");
        kill(f.trace.pid, SIGKILL);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_QEMU);
        libvirtd("start");
        start_again(&f); /* and it can be started again */
}

static void on_other_domain(void *ctx, const struct libvirt_message *message, int *fd) {
        *(bool *)ctx = true;
}

static void on_other_news(void *ctx, const struct libvirt_message *message) {
}

static void on_other_away(void *ctx) {
}

/* The next libvirtd takes the domain for alive, whatever comes of it: its monitor lets itself be connected
 * to, and says nothing. Closing what is returned ends that. */
static int make_blind(struct fixture *f) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        glob_t found;

        libvirtd("kill");
        assert_int_equal(glob("/var/lib/libvirt/qemu/domain-*-" NAME "/monitor.sock", 0, NULL, &found), 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", found.gl_pathv[found.gl_pathc - 1]);
        globfree(&found);
        unlink(address.sun_path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

/* Until what there is has been told: of a domain that is not there, that is told last. */
static void come_back(struct fixture *f) {
        static const struct libvirt_handlers others = { on_other_domain, on_other_news, on_other_away };
        CVM_CLEANUP(libvirt_watch_freep) struct libvirt_watch *watch = NULL;
        struct cvm_error err = { 0 };
        bool told = false;

        if (libvirt_watch_new(f->event, "99999999-2222-3333-4444-555555555555", &others, &told, &watch,
                              &err) < 0)
                fail_msg("%s", err.text);
        libvirtd("start");
        shell("virsh -q -c qemu:///system domstate " NAME " | grep -q running");
        while (!told)
                pass(f);
}

static void kill_and_wait(pid_t pid) {
        CVM_CLEANUP(cvm_closep) int fd = pidfd_of(pid);
        struct pollfd end = { .fd = fd, .events = POLLIN };

        pidfd_kill(fd, SIGKILL);
        assert_int_equal(poll(&end, 1, -1), 1);
}

/* Dead, whatever is shown: never up, and its end is told when libvirt has seen it. */
static void test_found_dead_by_a_libvirtd_that_is_blind(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct driver_start s;
        int monitor;

        begin_running(&f);
        forget(&f);
        monitor = make_blind(&f);
        kill_and_wait(f.trace.pid);
        s = start_of(&f);
        assert_int_equal(the_driver->adopt(&s, &f.trace, &f.guest, &err), 1);
        come_back(&f);
        assert_int_equal(f.seen[DRIVER_UP], 1);
        cvm_close(monitor);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_ENDED_AWAY);
        assert_int_equal(f.seen[DRIVER_UP], 1);
}

/* It is started when libvirt has seen that it is not running any more. */
static void test_started_under_a_libvirtd_that_is_blind(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct driver_start s;
        int monitor;

        begin_running(&f);
        monitor = make_blind(&f);
        kill(f.trace.pid, SIGKILL);
        wait_for(&f, DRIVER_GONE, 1);
        come_back(&f);
        f.why = (struct cvm_error){ 0 };
        memset(f.seen, 0, sizeof f.seen);
        f.files[0] = open(f.disk, O_RDWR | O_CLOEXEC);
        s = start_of(&f);
        assert_int_equal(the_driver->spawn(&s, &f.guest, &err), 1);
        cvm_close(monitor);
        wait_for(&f, DRIVER_SPAWNED, 1);
        assert_int_equal(the_driver->go(f.guest, &err), 0);
        wait_for(&f, DRIVER_UP, 1);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RUNNING, 1);
}

/* Nothing is told of what dies while libvirt takes up its domains again. */
static void test_killed_under_a_libvirtd_that_is_blind(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        int monitor;

        begin_running(&f);
        monitor = make_blind(&f);
        come_back(&f);
        wait_for(&f, DRIVER_FOUND, 1);
        kill(f.trace.pid, SIGKILL);
        cvm_close(monitor);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_QEMU);
}

static void test_destroyed_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        virsh("destroy " NAME);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_DOMAIN_ENDED);
        assert_non_null(strstr(f.why.text, "'t'"));
}

static void test_destroyed_while_cvmd_libvirt_is_dead(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        assert_int_equal(kill(libvirt_link_pid(), SIGKILL), 0);
        virsh("destroy " NAME);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_QEMU); /* who did it nobody can say any more */
}

static void test_saved_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        virsh("managedsave " NAME);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_DOMAIN_ENDED);
        start_again(&f); /* from its beginning: what was saved is not taken up */
        shell("cd /var/log/libvirt/qemu && test -s " NAME ".log && ! grep -q -- -incoming " NAME ".log");
}

static void test_undefined_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        virsh("undefine " NAME);
        wait_for(&f, DRIVER_CHANGED, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_DOMAIN_CHANGED);
}

static void test_titled_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        virsh("desc --config --title " NAME " mine");
        wait_for(&f, DRIVER_CHANGED, 1);
}

static void undisked(void) {
        shell("virsh -c qemu:///system dumpxml --inactive " NAME
              " | sed '/<disk /,/<.disk>/d' >/run/libvirt/edited.xml && "
              "virsh -q -c qemu:///system define /run/libvirt/edited.xml >/dev/null");
}

/* Somebody runs it while it is off for us: it ends with the next start, and with the removal. */
static void test_started_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        for (int removed = 0; removed < 2; removed++) {
                if (removed)
                        start_again(&f);
                else
                        begin_running(&f);
                the_driver->kill(f.guest);
                wait_for(&f, DRIVER_GONE, 1);
                undisked();
                virsh("start " NAME);
        }
        the_driver->remove(f.event, f.definition->uuid, on_removed, &f.removed);
        wait_until_removed(&f);
        shell("! virsh -c qemu:///system dominfo " NAME " >/dev/null 2>&1");
}

/* Of our uuid, but not of our making. */
static void test_a_domain_of_somebody_else(void **state) {
        static const char name[] = "somebody-elses";
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct driver_start s;

        begin(&f, BOOT_DISK);
        shell("echo '<domain type=\"qemu\"><name>%s</name><uuid>%s</uuid><memory>1024</memory><os><type>hvm</type></os>"
              "</domain>' >/run/libvirt/other.xml",
              name, f.definition->uuid);
        virsh("define /run/libvirt/other.xml");
        s = start_of(&f);
        assert_int_equal(the_driver->spawn(&s, &f.guest, &err), 1);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_EXISTS);
        the_driver->remove(f.event, f.definition->uuid, on_removed, &f.removed);
        wait_until_removed(&f);
        shell("virsh -q -c qemu:///system undefine %s >/dev/null", name); /* it was still there */
}

static void ask_without_waiting(struct fixture *f, enum driver_command command) {
        struct cvm_error err = { 0 };

        f->answered = false;
        assert_int_equal(the_driver->command(f->guest, command, on_answer, f, &err), 0);
}

/* libvirt waits for a QEMU that hangs, and would wait for ever. */
static void test_killed_while_it_hangs(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        kill(f.trace.pid, SIGSTOP);
        ask_without_waiting(&f, DRIVER_PAUSE);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
}

static void test_libvirtd_hangs(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        libvirt_link_set_patience(1000000);
        shell("kill -STOP \"$(\"$CVM_LIBVIRTD\" pid)\"");
        command(&f, DRIVER_PAUSE);
        assert_ptr_equal(f.why.code, &CVM_CODE_TIMEOUT);
        the_driver->kill(f.guest); /* and its end does not wait for libvirt */
        wait_for(&f, DRIVER_GONE, 1);
        libvirt_link_set_patience(60000000);
        shell("kill -CONT \"$(\"$CVM_LIBVIRTD\" pid)\"");
        start_again(&f);
}

static void test_edited_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        edit();
        wait_for(&f, DRIVER_CHANGED, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_DOMAIN_CHANGED);
        f.why = (struct cvm_error){ 0 };
        command(&f, DRIVER_PAUSE); /* it lives on, and that was told once */
        wait_for(&f, DRIVER_PAUSED, 1);
        assert_int_equal(f.seen[DRIVER_CHANGED], 1);
}

static void test_edited_while_the_daemon_was_away(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct driver_start s;

        begin_running(&f);
        forget(&f);
        edit();
        s = start_of(&f);
        assert_int_equal(the_driver->adopt(&s, &f.trace, &f.guest, &err), 1);
        wait_for(&f, DRIVER_CHANGED, 1);
        wait_for(&f, DRIVER_RUNNING, 2);
}

/* The next daemon ends it, and sees it end, while libvirtd is away. */
static void test_killed_behind_a_restart(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct driver_start s;

        for (int by_somebody = 0; by_somebody < 2; by_somebody++) {
                if (by_somebody)
                        start_again(&f);
                else
                        begin_running(&f);
                f.guest = the_driver->release(f.guest);
                libvirtd("kill");
                s = start_of(&f);
                assert_int_equal(the_driver->adopt(&s, &f.trace, &f.guest, &err), 1);
                if (by_somebody)
                        kill(f.trace.pid, SIGKILL);
                else
                        the_driver->kill(f.guest);
                wait_for(&f, DRIVER_GONE, 1);
                assert_ptr_equal(f.why.code, by_somebody ? &CVM_CODE_QEMU : NULL);
                libvirtd("start");
        }
}

static void test_a_device_is_added_by_somebody(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        shell("echo '<channel type=\"null\"><target type=\"virtio\" name=\"more\"/></channel>' >/run/libvirt/more.xml");
        virsh("attach-device --live " NAME " /run/libvirt/more.xml");
        wait_for(&f, DRIVER_CHANGED, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_DOMAIN_CHANGED);
}

/* By itself, through the chipset's reset register, each time that it has booted. */
static void test_rebooted_by_the_guest(void **state) {
        static const uint8_t code[] = {
                0xba, 0xf9, 0x0c, /* mov dx, 0xcf9 */
                0xb0, 0x06,       /* mov al, 6     */
                0xee,             /* out dx, al    */
                0xeb, 0xfe,       /* jmp $         */
        };
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        assert_int_equal(pwrite(f.files[0], code, sizeof code, 0), sizeof code);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        command(&f, DRIVER_CONT);
        wait_for(&f, DRIVER_RESET, 2);
        assert_int_equal(f.seen[DRIVER_UP], 1);
        assert_int_equal(f.seen[DRIVER_SHUTDOWN], 0);
}

/* Not one instruction of it. */
static void test_edited_before_it_goes(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        struct cvm_error err = { 0 };
        struct driver_start s;

        begin(&f, BOOT_DISK);
        s = start_of(&f);
        assert_int_equal(the_driver->spawn(&s, &f.guest, &err), 1);
        wait_for(&f, DRIVER_SPAWNED, 1);
        edit();
        assert_int_equal(the_driver->go(f.guest, &err), 0);
        wait_for(&f, DRIVER_GONE, 1);
        assert_ptr_equal(f.why.code, &CVM_CODE_DOMAIN_CHANGED);
        assert_int_equal(f.seen[DRIVER_UP], 0);
}

static void test_autostart_stays_off(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin(&f, BOOT_DISK);
        start(&f);
        wait_for(&f, DRIVER_UP, 1);
        virsh("autostart " NAME);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        start_again(&f);
        shell("virsh -c qemu:///system dominfo " NAME " | grep -q 'Autostart: *disable'");
}

/* The VM goes while nobody is there to undefine its domain: it is done when he is back. */
static void test_removed_while_libvirtd_is_away(void **state) {
        CVM_CLEANUP(end) struct fixture f;

        begin_running(&f);
        the_driver->kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        virsh("dominfo " NAME);
        libvirtd("kill");
        the_driver->remove(f.event, f.definition->uuid, on_removed, &f.removed);
        libvirtd("start");
        wait_until_removed(&f);
        shell("! virsh -c qemu:///system dominfo " NAME " >/dev/null 2>&1");
}

/* --- what libvirt says of a host that lacks something --- */

#define DIR_IS_FULL(dir)                                                                               \
        "mkdir -p " dir " && mount -t tmpfs -o size=4k none " dir " && ! cat /dev/zero >" dir "/full " \
        "2>/dev/null",                                                                                 \
                        "umount -l " dir
#define DIR_IS_READ_ONLY(dir) \
        "mkdir -p " dir " && mount --bind " dir " " dir " && mount -o remount,bind,ro " dir, "umount -l " dir

/* All that is heard of one start. */
static void start_and_hear(struct fixture *f) {
        const struct driver_start s = start_of(f);
        struct cvm_error err = { 0 };
        int r = the_driver->spawn(&s, &f->guest, &err);

        while (r > 0 && !f->seen[DRIVER_SPAWNED] && !f->seen[DRIVER_GONE])
                pass(f);
        if (!f->seen[DRIVER_GONE])
                r = the_driver->go(f->guest, &err);
        while (r >= 0 && !f->seen[DRIVER_UP] && !f->seen[DRIVER_GONE])
                pass(f);
}

static void test_what_the_host_lacks(void **state) {
        static const struct {
                const char *members, *before, *after;
                const struct cvm_code *code;
        } cases[] = {
                { "", DIR_IS_FULL("/etc/libvirt/qemu"), &CVM_CODE_LIBVIRT_STORE },
                { "", DIR_IS_FULL("/var/lib/libvirt/qemu"), &CVM_CODE_LIBVIRT_STORE },
                { "", DIR_IS_FULL("/run/libvirt/qemu"), &CVM_CODE_QEMU }, /* it writes its number there */
                { "", DIR_IS_READ_ONLY("/etc/libvirt/qemu"), &CVM_CODE_LIBVIRT_STORE },
                { "", DIR_IS_READ_ONLY("/var/lib/libvirt/qemu"), &CVM_CODE_LIBVIRT_STORE },
                { "", DIR_IS_READ_ONLY("/var/log/libvirt/qemu"), &CVM_CODE_LIBVIRT_STORE },
                { "", DIR_IS_READ_ONLY("/run/libvirt/qemu"), &CVM_CODE_LIBVIRT_STORE },
                { "\"tuning\":{\"hugepages\":true},", "", "", &CVM_CODE_HUGE_PAGES },
                { "\"tuning\":{\"numa_node\":7},", "", "", &CVM_CODE_NUMA_NODE },
                { "\"nics\":[{\"type\":\"bridge\",\"name\":\"nobr0\"}],", "", "", &CVM_CODE_NETWORK },
                { "\"nics\":[{\"type\":\"tap\",\"name\":\"notap0\"}],", "", "", &CVM_CODE_NETWORK },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CVM_CLEANUP(end) struct fixture f;
                char members[256];

                snprintf(members, sizeof members, "%s%s", cases[i].members, BOOT_DISK);
                begin(&f, members);
                shell("%s", cases[i].before);
                start_and_hear(&f);
                shell("%s", cases[i].after);
                if (f.why.code != cases[i].code)
                        fail_msg("case %zu: %s", i, f.why.text);
        }
}

/* --- the console --- */

/* `virsh console` at a terminal of its own. */
static pid_t virsh_console(int *ret_terminal) {
        pid_t pid = forkpty(ret_terminal, NULL, NULL, NULL);

        if (pid == 0) {
                execlp("virsh", "virsh", "-c", "qemu:///system", "console", NAME, NULL);
                _exit(127);
        }
        return pid;
}

/* false: it ends, or is silent for ten seconds. */
static bool says(int terminal, const char *words) {
        struct pollfd ready = { .fd = terminal, .events = POLLIN };
        char said[4096] = "";
        size_t n = 0;
        ssize_t r = 1;

        while (!strstr(said, words) && r > 0 && poll(&ready, 1, 10000) == 1) {
                r = read(terminal, said + n, sizeof said - 1 - n);
                n += r > 0 ? (size_t)r : 0;
        }
        return strstr(said, words);
}

static void expect_closed(struct fixture *f, int fd) {
        char some[4096];

        while (take_printed(f, fd, some, sizeof some) >= 0)
                ;
}

static void test_somebody_is_at_the_console(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int fd = begin_at_console(&f, NULL, 0);
        CVM_CLEANUP(cvm_closep) int terminal = -EBADF;
        struct cvm_error err = { 0 };
        int status;
        pid_t pid = virsh_console(&terminal);

        assert_true(says(terminal, "Active console session exists"));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        expect_closed(&f, fd);
        cvm_close(terminal);
        pid = virsh_console(&terminal);
        assert_true(says(terminal, "5678"));
        assert_true(open_console(&f, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_CONSOLE_BUSY);
        assert_non_null(strstr(err.text, "virsh console"));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        fd = open_console(&f, &err);
        if (fd < 0)
                fail_msg("%s", err.text);
}

static void expect_printed(struct fixture *f, int fd) {
        char some[4096];

        while (take_printed(f, fd, some, sizeof some) == 0)
                ;
}

static int open_again(struct fixture *f) {
        struct cvm_error err = { 0 };
        int fd = open_console(f, &err);

        if (fd < 0)
                fail_msg("%s", err.text);
        expect_printed(f, fd);
        return fd;
}

static void test_libvirtd_restarts_at_the_console(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int first = -EBADF;
        CVM_CLEANUP(cvm_closep) int second = -EBADF;
        struct cvm_error err = { 0 };

        keep_libvirtd();
        first = begin_at_console(&f, NULL, 0);
        expect_printed(&f, first);
        libvirtd("kill");
        expect_closed(&f, first);
        assert_true(open_console(&f, &err) < 0);
        assert_ptr_equal(err.code, &CVM_CODE_LIBVIRT_CONNECTION);
        libvirtd("start");
        wait_for(&f, DRIVER_FOUND, 1);
        second = open_again(&f);
}

/* The one that carries the console; and the other one, without which it goes on. */
static void test_cvmd_libvirt_dies_at_the_console(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int first = -EBADF;
        CVM_CLEANUP(cvm_closep) int second = -EBADF;

        keep_libvirtd();
        first = begin_at_console(&f, NULL, 0);
        expect_printed(&f, first);
        shell("kill -KILL $(pgrep -P %d -f 'cvmd-libvirt [c]onsole')", getpid());
        expect_closed(&f, first);
        second = open_again(&f);
        assert_int_equal(kill(libvirt_link_pid(), SIGKILL), 0);
        wait_for(&f, DRIVER_FOUND, 1);
        expect_printed(&f, second);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_libvirtd_restarts),
                cmocka_unit_test(test_libvirtd_restarts_while_it_is_dumped),
                cmocka_unit_test(test_lost_connections_leave_nothing),
                cmocka_unit_test(test_cvmd_libvirt_dies),
                cmocka_unit_test(test_paused_while_cvmd_libvirt_is_dead),
                cmocka_unit_test(test_killed_while_libvirtd_is_away),
                cmocka_unit_test(test_found_dead_by_a_libvirtd_that_is_blind),
                cmocka_unit_test(test_started_under_a_libvirtd_that_is_blind),
                cmocka_unit_test(test_killed_under_a_libvirtd_that_is_blind),
                cmocka_unit_test(test_destroyed_by_somebody),
                cmocka_unit_test(test_destroyed_while_cvmd_libvirt_is_dead),
                cmocka_unit_test(test_saved_by_somebody),
                cmocka_unit_test(test_undefined_by_somebody),
                cmocka_unit_test(test_titled_by_somebody),
                cmocka_unit_test(test_started_by_somebody),
                cmocka_unit_test(test_a_domain_of_somebody_else),
                cmocka_unit_test(test_killed_while_it_hangs),
                cmocka_unit_test(test_libvirtd_hangs),
                cmocka_unit_test(test_edited_by_somebody),
                cmocka_unit_test(test_edited_while_the_daemon_was_away),
                cmocka_unit_test(test_killed_behind_a_restart),
                cmocka_unit_test(test_a_device_is_added_by_somebody),
                cmocka_unit_test(test_rebooted_by_the_guest),
                cmocka_unit_test(test_edited_before_it_goes),
                cmocka_unit_test(test_autostart_stays_off),
                cmocka_unit_test(test_removed_while_libvirtd_is_away),
                cmocka_unit_test(test_what_the_host_lacks),
                cmocka_unit_test(test_somebody_is_at_the_console),
                cmocka_unit_test(test_libvirtd_restarts_at_the_console),
                cmocka_unit_test(test_cvmd_libvirt_dies_at_the_console),
        };

        if (!getenv("CVM_LIBVIRTD")) {
                puts("SKIP: not run by tests/libvirt/with-libvirtd");
                return 77;
        }
        the_driver = &driver_libvirt;
        libvirt_link_set_program(CVM_BINARY_DIR "/worker/cvmd-libvirt");
        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
