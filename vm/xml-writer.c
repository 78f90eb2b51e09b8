#include "vm/xml-writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"

void xml_begin(struct xml_writer *w) {
        *w = (struct xml_writer){ 0 };
        w->out = open_memstream(&w->text, &w->size);
        if (!w->out)
                w->error = -ENOMEM;
}

void xml_done(struct xml_writer *w) {
        if (w->out)
                fclose(w->out);
        free(w->text);
        *w = (struct xml_writer){ 0 };
}

/* No control character stands in XML, no byte that is not UTF-8, and not U+FFFE and U+FFFF (XML 1.0, 2.2).
 */
static bool is_sayable(const char *text) {
        CVM_CLEANUP(cvm_freep) char *clean = strdup(text);

        if (clean)
                cvm_text_clean(clean, strlen(clean), false);
        return clean && strcmp(clean, text) == 0 && !strstr(text, "\xef\xbf\xbe") &&
               !strstr(text, "\xef\xbf\xbf");
}

static void put(struct xml_writer *w, const char *text) {
        static const char *const escapes[] = {
                ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&apos;",
        };

        if (w->error < 0)
                return;
        if (!is_sayable(text))
                w->error = -EILSEQ;
        for (const char *p = text; w->error >= 0 && *p; p++) {
                size_t c = (unsigned char)*p;

                if (c < ARRAY_SIZE(escapes) && escapes[c])
                        fputs(escapes[c], w->out);
                else
                        fputc(*p, w->out);
        }
}

static void raw(struct xml_writer *w, const char *a, const char *b, const char *c) {
        if (w->error >= 0)
                fprintf(w->out, "%s%s%s", a, b, c);
}

static void end_tag(struct xml_writer *w) {
        if (w->is_in_tag)
                raw(w, ">", "", "");
        w->is_in_tag = false;
}

void xml_open(struct xml_writer *w, const char *element) {
        end_tag(w);
        if (w->depth == XML_DEPTH_MAX)
                w->error = -E2BIG;
        if (w->error < 0)
                return;
        fprintf(w->out, "%s%*s<%s", w->depth ? "\n" : "", 2 * (int)w->depth, "", element);
        w->open[w->depth++] = element;
        w->is_in_tag = true;
        w->has_child = false;
}

void xml_attribute(struct xml_writer *w, const char *name, const char *format, ...) {
        CVM_CLEANUP(cvm_freep) char *value = NULL;
        va_list args;
        int n;

        va_start(args, format);
        n = vasprintf(&value, format, args);
        va_end(args);
        if (n < 0) {
                value = NULL;
                w->error = -ENOMEM;
                return;
        }
        raw(w, " ", name, "='");
        put(w, value);
        raw(w, "'", "", "");
}

void xml_text(struct xml_writer *w, const char *text) {
        end_tag(w);
        put(w, text);
}

void xml_number(struct xml_writer *w, uint64_t number) {
        char text[21];

        snprintf(text, sizeof text, "%" PRIu64, number);
        xml_text(w, text);
}

void xml_close(struct xml_writer *w) {
        if (w->error < 0)
                return;
        w->depth--;
        if (w->is_in_tag)
                fputs("/>", w->out);
        else if (w->has_child)
                fprintf(w->out, "\n%*s</%s>", 2 * (int)w->depth, "", w->open[w->depth]);
        else
                fprintf(w->out, "</%s>", w->open[w->depth]);
        w->is_in_tag = false;
        w->has_child = true;
}

void xml_leaf(struct xml_writer *w, const char *element, const char *text) {
        xml_open(w, element);
        xml_text(w, text);
        xml_close(w);
}

void xml_mark(struct xml_writer *w, const char *element, const char *name, const char *value) {
        xml_open(w, element);
        if (name)
                xml_attribute(w, name, "%s", value);
        xml_close(w);
}

int xml_take(struct xml_writer *w, char **ret) {
        if (w->error >= 0)
                fputc('\n', w->out);
        if (w->error >= 0 && ferror(w->out))
                w->error = -ENOMEM;
        if (w->out && fclose(TAKE_PTR(w->out)) != 0 && w->error >= 0)
                w->error = -ENOMEM;
        if (w->error < 0)
                return w->error;
        *ret = TAKE_PTR(w->text);
        return 0;
}
