#include "vm/libvirt-monitor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* QEMU's own answer, {"return":...}, as text. */
json_object *libvirt_monitor_answer(const struct libvirt_message *answer, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        json_object *result = NULL;

        if (cvm_json_parse(answer->text.data, answer->text.size, "QEMU's answer", &node, err) >= 0 &&
            !json_object_object_get_ex(node, "return", &result))
                cvm_fail(err, &CVM_CODE_QMP, EPROTO, "QEMU's answer is none");
        return json_object_get(result);
}

int libvirt_monitor_ask(struct libvirt_watch *watch, const char *command, libvirt_done_fn done, void *ctx,
                        struct cvm_error *err) {
        struct libvirt_request request = { .verb = LIBVIRT_MONITOR };
        CVM_CLEANUP(cvm_freep) char *text = NULL;

        if (asprintf(&text, "{\"execute\":\"%s\"}", command) < 0) {
                text = NULL;
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "asking QEMU");
        }
        request.text = (struct cvm_bytes){ (uint8_t *)text, strlen(text) };
        return libvirt_watch_ask(watch, &request, NULL, 0, done, ctx, err);
}
