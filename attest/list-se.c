#include "attest/list-se.h"

#include <errno.h>
#include <stdio.h>

#include "attest/secret-se.h"

static void write_listed(struct cvm_reader *r, struct cvm_writer *w) {
        unsigned index = cvm_read_u16be(r), number = cvm_read_u16be(r);
        const struct se_secret_type *type = se_secret_types;
        char text[32], id[2 * SE_SECRET_ID_SIZE + 1];

        cvm_read_view(r, 12); /* its length, reserved */
        cvm_hex(cvm_read_view(r, SE_SECRET_ID_SIZE), SE_SECRET_ID_SIZE, id);
        while (type->name && type->number != number)
                type++;
        cvm_write_copy(w, text, (size_t)snprintf(text, sizeof text, "%u ", index));
        cvm_write_copy(w, text,
                       (size_t)(type->name ? snprintf(text, sizeof text, "%s ", type->name)
                                           : snprintf(text, sizeof text, "type-0x%x ", number)));
        cvm_write_copy(w, id, sizeof id - 1);
        cvm_write_u8(w, '\n');
}

int se_list_lines(const void *list, size_t size, char **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer w = { 0 };
        struct cvm_reader r = cvm_reader_of(list, size);
        unsigned n = cvm_read_u16be(&r), total = cvm_read_u16be(&r), next = cvm_read_u16be(&r);
        struct cvm_bytes lines;
        char last[128];

        cvm_read_view(&r, SE_LIST_HEAD_SIZE - 6);
        if (r.failed || n > r.left / SE_LISTED_SIZE || n > total)
                return cvm_fail(err, &CVM_CODE_AGENT_STORE, EBADMSG,
                                "the list says that it has %u secrets of %u, and has room for %zu", n, total,
                                r.failed ? 0 : r.left / SE_LISTED_SIZE);
        for (unsigned i = 0; i < n; i++)
                write_listed(&r, &w);
        snprintf(last, sizeof last, "%u of %u secrets%s", n, total,
                 next ? ": the store has more than this guest's kernel lists" : "");
        cvm_write_copy(&w, last, strlen(last) + 1);
        if (cvm_writer_take(&w, &lines) < 0)
                return cvm_fail(err, &CVM_CODE_NO_MEMORY, ENOMEM, "listing a secret store");
        *ret = (char *)lines.data;
        return 0;
}
