#include "base/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"

static const char *parse_digits(const char *p, int n, int *ret) {
        int v = 0;

        for (int i = 0; p && i < n; i++) {
                if (p[i] < '0' || p[i] > '9')
                        return NULL;
                v = v * 10 + (p[i] - '0');
        }
        *ret = v;
        return p ? p + n : NULL;
}

static const char *parse_mark(const char *p, char mark) {
        return p && *p == mark ? p + 1 : NULL;
}

static const char *parse_fraction(const char *p, int *ret_msec) {
        int v = 0, n = 0;

        *ret_msec = 0;
        if (!p || *p != '.')
                return p;
        for (p++; *p >= '0' && *p <= '9'; p++, n++)
                if (n < 3)
                        v = v * 10 + (*p - '0');
        for (int i = n; i < 3; i++)
                v *= 10;
        *ret_msec = v;
        return n >= 1 && n <= 9 ? p : NULL;
}

int cvm_time_parse(const char *text, uint64_t *ret_msec) {
        struct tm tm = { 0 }, again;
        const char *p;
        time_t seconds;
        int msec = 0;

        p = parse_mark(parse_digits(text, 4, &tm.tm_year), '-');
        p = parse_mark(parse_digits(p, 2, &tm.tm_mon), '-');
        p = parse_mark(parse_digits(p, 2, &tm.tm_mday), 'T');
        p = parse_mark(parse_digits(p, 2, &tm.tm_hour), ':');
        p = parse_mark(parse_digits(p, 2, &tm.tm_min), ':');
        p = parse_fraction(parse_digits(p, 2, &tm.tm_sec), &msec);
        p = parse_mark(p, 'Z');
        if (!p || *p || tm.tm_year < 1970)
                return -EINVAL;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        again = tm;
        seconds = timegm(&again);
        /* timegm() brings the 31st of June into July: such a date is none. */
        if (again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour ||
            again.tm_min != tm.tm_min || again.tm_sec != tm.tm_sec)
                return -EINVAL;
        *ret_msec = (uint64_t)seconds * 1000 + (uint64_t)msec;
        return 0;
}

void cvm_time_format(uint64_t msec, char ret[CVM_TIME_TEXT]) {
        time_t seconds = (time_t)(msec / 1000);
        struct tm tm;
        size_t n;

        if (!gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900)
                tm = (struct tm){ .tm_year = 70, .tm_mday = 1 };
        n = strftime(ret, CVM_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(ret + n, CVM_TIME_TEXT - n, ".%03uZ", (unsigned)(msec % 1000));
}

uint64_t cvm_time_now(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int cvm_json_read_time(const struct cvm_json *place, void *member, struct cvm_error *err) {
        const char *text;
        int r = cvm_json_text_at(place, 40, &text, err);

        if (r < 0)
                return r;
        if (cvm_time_parse(text, member) < 0)
                return cvm_json_refuse(place, err, "must be a time such as '2026-11-24T12:00:00Z'");
        return 0;
}

json_object *cvm_json_write_time(const void *member) {
        char text[CVM_TIME_TEXT];

        cvm_time_format(*(const uint64_t *)member, text);
        return json_object_new_string(text);
}
