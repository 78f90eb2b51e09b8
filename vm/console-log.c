#include "vm/console-log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vm/console-relay.h"

#define MAX_BYTES (4 << 20)

struct console_log {
        char path[PATH_MAX];
        sd_event_source *source;
};

static int on_write(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        struct console_log *log = userdata;
        struct stat st;

        if (lstat(log->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > MAX_BYTES)
                return truncate(log->path, 0); /* where it cannot be cut it is not watched any more */
        return 0;
}

int console_log_new(sd_event *event, const char *runtime_dir, struct console_log **ret,
                    struct cvm_error *err) {
        struct console_log *log = calloc(1, sizeof *log);

        if (!log)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "watching a console");
        snprintf(log->path, sizeof log->path, "%.3500s/console.log", runtime_dir);
        if (sd_event_add_inotify(event, &log->source, log->path, IN_MODIFY, on_write, log) >= 0)
                (void)sd_event_source_set_priority(log->source, CONSOLE_RELAY_PRIORITY);
        *ret = log;
        return 0;
}

struct console_log *console_log_free(struct console_log *log) {
        if (log)
                log->source = sd_event_source_disable_unref(log->source);
        free(log);
        return NULL;
}
