/*
 * An offline bundle of collateral: one JSON document that is carried to where there is no network. Its bytes
 * are anybody's; what is in it counts only after each object has been verified.
 */
#pragma once

#include "collateral/source.h"

#define COLLATERAL_PACK_MAX (32u << 20)
#define COLLATERAL_PACK_OBJECTS_MAX 2048

struct collateral_item {
        const struct collateral_source *source;
        char *name; /* one that the source knows */
        struct cvm_bytes data;
};

struct collateral_pack {
        uint32_t version; /* 1 */
        struct collateral_item *items;
        size_t n;
};

void collateral_pack_done(struct collateral_pack *pack);
/* CVM_CODE_JSON, CVM_CODE_FIELD; a name twice is refused. */
int collateral_pack_read(const void *text, size_t size, const char *document, struct collateral_pack *ret,
                         struct cvm_error *err);
/* Owned; NULL without memory. */
char *collateral_pack_write(const struct collateral_pack *pack);
/* One more, copied; -ENOMEM, -E2BIG. */
int collateral_pack_add(struct collateral_pack *pack, const struct collateral_source *source,
                        const char *name, const struct cvm_bytes *data);
/* NULL: not there. */
const struct collateral_item *collateral_pack_find(const struct collateral_pack *pack,
                                                   const struct collateral_source *source, const char *name);
