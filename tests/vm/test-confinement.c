/* What a guest's process may and has: looked up in /proc while a real QEMU runs. */
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tests/vm/driver-scene.h"
#include "vm/pidfd.h"
#include "vm/spawn.h"

#define USER 61234

static void read_proc(pid_t pid, const char *name, char ret[8192]) {
        char path[64];
        size_t n;
        FILE *f;

        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
        f = fopen(path, "re");
        assert_non_null(f);
        n = fread(ret, 1, 8191, f);
        ret[n] = 0;
        fclose(f);
}

static void expect(const char *text, const char *line) {
        if (!strstr(text, line))
                fail_msg("\"%s\" is not in:\n%s", line, text);
}

/* Under another user the kernel is read by descriptor only: its directory and its file are the test's own.
 */
static void start_kernel(struct fixture *f, const char *members) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes kernel = { 0 };
        struct driver_start s;
        struct cvm_error err = { 0 };
        char text[256];

        snprintf(text, sizeof text, "%s\"boot\":{\"kernel\":\"disk\"}", members);
        begin(f, text);
        f->files[0] = cvm_close(f->files[0]);
        assert_int_equal(boot_kernel_write(f->disk), 0);
        assert_int_equal(cvm_read_file(f->disk, 8192, &kernel, &err), 0);
        f->files[0] = cvm_memfd("kernel", kernel.data, kernel.size);
        s = start_of(f);
        s.uid = geteuid() == 0 ? USER : 0;
        spawn_and_go(f, &s);
        wait_for(f, DRIVER_UP, 1);
}

static void test_it_may_nothing(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        char text[8192], number[32];

        start_kernel(&f, "");
        read_proc(f.trace.pid, "status", text);
        expect(text, "\nNoNewPrivs:\t1\n");
        expect(text, "\nSeccomp:\t2\n");
        if (geteuid() == 0) {
                expect(text, "\nUid:\t61234\t61234\t61234\t61234\n");
                expect(text, "\nGid:\t61234\t61234\t61234\t61234\n");
                expect(text, "\nGroups:\t \n");
                expect(text, "\nCapPrm:\t0000000000000000\n");
                expect(text, "\nCapEff:\t0000000000000000\n");
        }
        read_proc(f.trace.pid, "limits", text);
        expect(text, "Max core file size        0                    0 ");
        read_proc(f.trace.pid, "oom_score_adj", text);
        assert_string_equal(text, "0\n");
        read_proc(f.trace.pid, "stat", text);
        snprintf(number, sizeof number, " %d %d %d ", (int)getpid(), (int)f.trace.pid, (int)f.trace.pid);
        expect(text, number); /* parent, group, session: its own */
        command(&f, DRIVER_CONT);
        wait_for_output(&f, 5);
}

/* A guest under another user reaches the devices whose groups may, and no group of the superuser's. */
static void test_it_gets_the_groups_of_its_devices(void **state) {
        char dir[] = "/tmp/cvmd-groups-XXXXXX", open_one[64], closed[64], roots[64], service[64],
             got[64] = "";
        const char *const devices[] = { open_one, closed, roots, service, "/no/such/device", NULL };
        const struct spawn s = { .argv = (char *const *)(const char *[]){ "id", "-G", NULL },
                                 .out_fd = memfd_create("groups", MFD_CLOEXEC),
                                 .err_fd = -1,
                                 .uid = USER,
                                 .devices = devices };
        struct cvm_error err = { 0 };
        siginfo_t info;
        int go;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        assert_non_null(mkdtemp(dir));
        snprintf(open_one, sizeof open_one, "%s/open", dir);
        snprintf(closed, sizeof closed, "%s/closed", dir);
        snprintf(roots, sizeof roots, "%s/roots", dir);
        snprintf(service, sizeof service, "%s/service", dir);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(mknod(devices[i], devices[i] == service ? S_IFSOCK : S_IFCHR,
                                       makedev(1, 3)),
                                 0);
                assert_int_equal(chmod(devices[i], devices[i] == closed ? 0600 : 0660), 0);
                assert_int_equal(chown(devices[i], 0, devices[i] == roots ? 0 : 4321 + (gid_t)i), 0);
        }
        assert_int_equal(spawn_begin(&s, &pid, &go, &err), 0);
        spawn_go(go);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
        assert_true(pread(s.out_fd, got, sizeof got - 1, 0) > 0);
        assert_string_equal(got, "61234 4321 4324\n");
        close(s.out_fd);
        for (size_t i = 0; i < 4; i++)
                unlink(devices[i]);
        rmdir(dir);
}

/* A service that QEMU connects to by itself, as the one that signs trust domains' reports: returns QEMU. */
static pid_t start_client(const char *path, int err_fd) {
        char chardev[128];
        const char *const argv[] = { "qemu-system-x86_64", "-M",       "none",  "-display", "none",
                                     "-nodefaults",        "-chardev", chardev, NULL };
        const char *const devices[] = { path, NULL };
        const struct spawn s = { .argv = (char *const *)argv,
                                 .out_fd = -1,
                                 .err_fd = err_fd,
                                 .ends_with_us = true,
                                 .uid = USER,
                                 .devices = devices };
        struct cvm_error err = { 0 };
        pid_t pid;
        int go;

        snprintf(chardev, sizeof chardev, "socket,id=service,path=%s", path);
        assert_int_equal(spawn_begin(&s, &pid, &go, &err), 0);
        spawn_go(go);
        return pid;
}

static void test_a_service_is_reached_as_the_guests_user(void **state) {
        char dir[] = "/tmp/cvmd-service-XXXXXX", said[512] = "";
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        CVM_CLEANUP(cvm_closep) int service = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CVM_CLEANUP(cvm_closep) int words = memfd_create("words", MFD_CLOEXEC);
        CVM_CLEANUP(cvm_closep) int client = -EBADF;
        struct pollfd wait = { .fd = service, .events = POLLIN };
        struct ucred who = { 0 };
        socklen_t size = sizeof who;
        siginfo_t info;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        assert_non_null(mkdtemp(dir));
        assert_int_equal(chmod(dir, 0755), 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s/qgs.socket", dir);
        assert_int_equal(bind(service, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(service, 1), 0);
        assert_int_equal(chown(address.sun_path, 0, 4325), 0);

        assert_int_equal(chmod(address.sun_path, 0660), 0);
        pid = start_client(address.sun_path, -1);
        assert_int_equal(poll(&wait, 1, 30000), 1);
        client = accept4(service, NULL, NULL, SOCK_CLOEXEC);
        assert_int_equal(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size), 0);
        assert_int_equal(who.uid, USER);
        assert_int_equal(who.pid, pid);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);

        assert_int_equal(chmod(address.sun_path, 0600), 0);
        pid = start_client(address.sun_path, words);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
        assert_int_equal(info.si_status, 1);
        assert_true(pread(words, said, sizeof said - 1, 0) > 0);
        expect(said, "Permission denied");
        unlink(address.sun_path);
        rmdir(dir);
}

/* What only serves a question ends with whoever asked, under another user too. */
static void test_a_question_ends_with_the_asker(void **state) {
        const struct spawn s = { .argv = (char *const *)(const char *[]){ "sleep", "1000", NULL },
                                 .out_fd = -1,
                                 .err_fd = -1,
                                 .ends_with_us = true,
                                 .uid = geteuid() == 0 ? USER : 0 };
        struct pollfd end = { .events = POLLIN };
        int ends[2], go;
        siginfo_t info;
        pid_t asker, pid;

        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        asker = fork();
        if (asker == 0) {
                struct cvm_error err = { 0 };

                if (spawn_begin(&s, &pid, &go, &err) < 0)
                        _exit(1);
                spawn_go(go);
                if (write(ends[1], &pid, sizeof pid) != sizeof pid)
                        _exit(1);
                pause();
        }
        assert_int_equal(read(ends[0], &pid, sizeof pid), sizeof pid);
        end.fd = pidfd_of(pid);
        assert_true(end.fd >= 0 && pidfd_is_alive(end.fd));
        assert_int_equal(kill(asker, SIGKILL), 0);
        assert_int_equal(poll(&end, 1, 30000), 1);
        assert_int_equal(waitid(P_PID, (id_t)asker, &info, WEXITED), 0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
        close(end.fd);
        close(ends[0]);
        close(ends[1]);
}

static void test_it_has_what_is_named(void **state) {
        CVM_CLEANUP(end) struct fixture f;
        CVM_CLEANUP(cvm_closep) int leak = memfd_create("leak", 0); /* without close-on-exec */
        char path[64], link[PATH_MAX];
        const struct dirent *entry;
        unsigned named = 0;
        DIR *dir;

        start_kernel(&f, "");
        snprintf(path, sizeof path, "/proc/%d/fd", (int)f.trace.pid);
        dir = opendir(path);
        assert_non_null(dir);
        while ((entry = readdir(dir))) {
                ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);

                if (n < 0)
                        continue;
                link[n] = 0;
                assert_null(strstr(link, "leak"));
                if (strcmp(entry->d_name, "0") == 0)
                        assert_string_equal(link, "/dev/null");
                if (*link == '/' && strcmp(link, "/dev/null") != 0) {
                        if (strncmp(link, f.dir, strlen(f.dir)) != 0 && strncmp(link, "/memfd:", 7) != 0)
                                fail_msg("%s is open: %s", entry->d_name, link);
                        named++;
                }
        }
        closedir(dir);
        assert_true(named >= 3 && named <= 6); /* the kernel, both logs, and QEMU's own copies of them */
}

/* The way of all programs that are started: another's file stays closed to them. */
static void test_others_files_stay_closed(void **state) {
        char dir[] = "/tmp/cvmd-secret-XXXXXX", path[64], command[128];
        CVM_CLEANUP(cvm_closep) int out = memfd_create("out", MFD_CLOEXEC);
        const char *const argv[] = { "/bin/sh", "-c", command, NULL };
        const struct spawn spawn = {
                .argv = (char *const *)argv, .out_fd = out, .err_fd = -EBADF, .uid = USER
        };
        struct cvm_error err = { 0 };
        char text[64] = "";
        int go, status;
        pid_t pid;

        if (geteuid() != 0) {
                puts("SKIP: only root can change the user");
                skip();
        }
        assert_non_null(mkdtemp(dir));
        assert_int_equal(chmod(dir, 0755), 0);
        snprintf(path, sizeof path, "%s/secret", dir);
        assert_int_equal(cvm_write_file(path, "secret", 6, 0600, NULL), 0);
        snprintf(command, sizeof command, "cat %s || echo refused; ulimit -c; id -u", path);
        assert_int_equal(spawn_begin(&spawn, &pid, &go, &err), 0);
        spawn_go(go);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(pread(out, text, sizeof text - 1, 0) > 0);
        assert_string_equal(text, "refused\n0\n61234\n");
        unlink(path);
        rmdir(dir);
}

/* A group beneath this process's own, marked as systemd marks one; else what is missing. */
static const char *delegate(char own[PATH_MAX], char group[PATH_MAX]) {
        static const char *const mounts[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
        char text[8192];
        struct statfs fs;
        const char *line;
        size_t i = 0;

        while (i < 2 && (statfs(mounts[i], &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC))
                i++;
        read_proc(getpid(), "cgroup", text);
        line = strstr(text, "0::/");
        if (i == 2 || !line)
                return "there is no tree of control groups, version 2";
        snprintf(own, PATH_MAX, "%s%.*s", mounts[i], (int)strcspn(line + 3, "\n"), line + 3);
        snprintf(group, PATH_MAX, "%.4000s/cvmd-test-%d", own, (int)getpid());
        if (mkdir(group, 0755) < 0)
                return "no control group can be made";
        if (setxattr(group, "trusted.delegate", "1", 1, 0) < 0)
                return "no control group can be marked";
        return NULL;
}

static void move_to(const char *group) {
        char path[PATH_MAX + 16];
        FILE *f;

        snprintf(path, sizeof path, "%s/cgroup.procs", group);
        f = fopen(path, "we");
        assert_non_null(f);
        fprintf(f, "%d", (int)getpid());
        assert_int_equal(fclose(f), 0);
}

static void test_a_control_group_of_its_own(void **state) {
        struct fixture f;
        char own[PATH_MAX], group[PATH_MAX], text[8192], name[128];
        const char *missing = delegate(own, group);

        if (missing) {
                printf("SKIP: %s: %s\n", missing, strerror(errno));
                skip();
        }
        move_to(group);
        start_kernel(&f, "");
        read_proc(f.trace.pid, "cgroup", text);
        snprintf(name, sizeof name, "/vm-%s\n", strrchr(f.dir, '/') + 1);
        expect(text, name);
        driver_qemu.kill(f.guest);
        wait_for(&f, DRIVER_GONE, 1);
        end(&f);
        move_to(own);
        assert_int_equal(rmdir(group), 0); /* empty: the guest's is gone */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_may_nothing),
                cmocka_unit_test(test_it_has_what_is_named),
                cmocka_unit_test(test_a_question_ends_with_the_asker),
                cmocka_unit_test(test_it_gets_the_groups_of_its_devices),
                cmocka_unit_test(test_a_service_is_reached_as_the_guests_user),
                cmocka_unit_test(test_others_files_stay_closed),
                cmocka_unit_test(test_a_control_group_of_its_own),
        };

        if (system("command -v qemu-system-x86_64 >/dev/null") != 0) {
                puts("SKIP: qemu-system-x86_64 is not installed");
                return 77;
        }
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
