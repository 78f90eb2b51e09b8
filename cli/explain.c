/* cvmctl explain CODE: what a failure means and what to do about it. */
#include <errno.h>

#include "cli/commands.h"
#include "cli/output.h"

static json_object *code_json(const struct cvm_code *code) {
        json_object *node = json_object_new_object();

        json_object_object_add(node, "code", json_object_new_string(code->id));
        json_object_object_add(node, "meaning", json_object_new_string(code->sentence));
        json_object_object_add(node, "remedy", json_object_new_string(code->remedy));
        json_object_object_add(node, "fault", json_object_new_string(cvm_fault_text(code->fault)));
        json_object_object_add(node, "exit_status", json_object_new_int(cvm_code_exit_status(code)));
        json_object_object_add(node, "dbus_error", json_object_new_string(code->dbus_name));
        return node;
}

static void list_codes(void) {
        static const struct output_column columns[] = { { "CODE", "code" },
                                                        { "EXIT", "exit_status" },
                                                        { "MEANING", "meaning" },
                                                        { "REMEDY", "remedy", true },
                                                        { 0 } };
        CVM_CLEANUP(cvm_json_putp) json_object *list = json_object_new_array();

        for (size_t i = 0; cvm_code_at(i); i++)
                json_object_array_add(list, code_json(cvm_code_at(i)));
        output_list(list, columns);
}

static int run(const struct arguments *arguments, struct cvm_error *err) {
        CVM_CLEANUP(cvm_json_putp) json_object *node = NULL;
        const struct cvm_code *code;

        if (arguments->n_words == 0) {
                list_codes();
                return 0;
        }
        code = cvm_code_find(arguments->words[0]);
        if (!code)
                return cvm_fail(err, &CVM_CODE_NO_CODE, ENOENT, "there is no code '%s'",
                                arguments->words[0]);
        node = code_json(code);
        output_object(node, "code");
        return 0;
}

const struct command command_explain = {
        .name = "explain",
        .words = "[CODE]",
        .words_max = 1,
        .summary = "what a failure means and what to do about it",
        .run = run,
};
