#include "launch/failure.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Decimal or 0x..., in quotes or not: fw_error=11 'x', fw_error='1: x'. NULL: no number, or one that is not
 * known. */
static const struct failure_number *number_find(const struct failure_number *numbers, const char *text) {
        long long number;

        text += *text == '\'';
        if (*text != '-' && !isdigit((unsigned char)*text)) /* strtoll would go on to the next line */
                return NULL;
        number = strtoll(text, NULL, 0);
        for (; numbers->code; numbers++)
                if (numbers->number == number)
                        return numbers;
        return NULL;
}

bool failure_find(const struct failure_row *rows, const char *text, struct failure *ret) {
        for (const struct failure_row *row = rows; row->part; row++) {
                const char *at = strstr(text, row->part);
                const struct failure_number *number;

                if (!at)
                        continue;
                number = row->numbers ? number_find(row->numbers, at + strlen(row->part)) : NULL;
                *ret = (struct failure){ .code = number ? number->code : row->code,
                                         .sentence = number ? number->sentence : row->sentence,
                                         .at = at };
                return true;
        }
        return false;
}
