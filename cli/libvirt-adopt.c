#include "cli/libvirt-adopt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/names.h"
#include "cli/libvirt-ask.h"
#include "cli/output.h"

#define XML_MAX (2u << 20)

bool libvirt_is_named(const struct arguments *arguments) {
        return argument(arguments, "from-libvirt") || argument(arguments, "from-libvirt-xml");
}

static void tell_left_out(json_object *list) {
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *row = json_object_array_get_idx(list, i);
                const char *value = json_object_get_string(json_object_object_get(row, "value"));
                CVM_CLEANUP(cvm_freep) char *line = NULL;

                if (asprintf(&line, "not carried over: %s%s%s%s: %s",
                             json_object_get_string(json_object_object_get(row, "path")), value ? " '" : "",
                             value ? value : "", value ? "'" : "",
                             json_object_get_string(json_object_object_get(row, "why"))) < 0)
                        line = NULL;
                if (line)
                        cvm_text_clean(line, strlen(line), false);
                output_say("%s", line ? line : "");
        }
}

static int make_request(const char *domain, const char *file, json_object **ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_bytes_done) struct cvm_bytes xml = { 0 };
        int r = file ? cvm_read_file(file, XML_MAX, &xml, err) : 0;

        if (r < 0)
                return r;
        *ret = json_object_new_object();
        json_object_object_add(*ret, file ? "xml" : "domain",
                               file ? json_object_new_string_len((char *)xml.data, (int)xml.size)
                                    : json_object_new_string(domain));
        return 0;
}

int libvirt_adopt(const struct arguments *arguments, json_object **ret, struct cvm_error *err) {
        const char *domain = argument(arguments, "from-libvirt"),
                   *file = argument(arguments, "from-libvirt-xml");
        CVM_CLEANUP(cvm_json_putp) json_object *request = NULL;
        CVM_CLEANUP(cvm_json_putp) json_object *answer = NULL;
        json_object *definition = NULL;
        int r;

        if ((domain && file) || arguments->n_words)
                return cvm_fail(err, &CVM_CODE_USAGE, EINVAL,
                                "a definition comes from a file, from --from-libvirt or from --from-libvirt-xml");
        r = make_request(domain, file, &request, err);
        if (r >= 0)
                r = libvirt_answer("adopt", request, &answer, err);
        if (r < 0)
                return cvm_while(err, r, "reading the domain '%s'", domain ? domain : file);
        if (!json_object_object_get_ex(answer, "definition", &definition) ||
            !json_object_is_type(definition, json_type_object))
                return cvm_fail(err, &CVM_CODE_LIBVIRT, EBADMSG, "the answer has no definition");
        tell_left_out(json_object_object_get(answer, "left_out"));
        output_say("The domain stays in libvirt as it is: never run both, and undefine it (`virsh undefine`) when the VM has "
                   "taken its place.");
        *ret = json_object_get(definition);
        return 0;
}
