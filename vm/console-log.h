/* A guest writes to its console as it likes: the log begins anew when it is full. Whoever writes it appends.
 */
#pragma once

#include <systemd/sd-event.h>

#include "base/error.h"

struct console_log;

/* That of a VM's runtime directory; where it cannot be watched it is not. */
int console_log_new(sd_event *event, const char *runtime_dir, struct console_log **ret,
                    struct cvm_error *err);
struct console_log *console_log_free(struct console_log *log);
