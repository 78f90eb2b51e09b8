/* An offline bundle from any text; what is taken has names that are safe as files, and reads again alike. */
#include <string.h>

#include "collateral/pack.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CVM_CLEANUP(collateral_pack_done) struct collateral_pack pack = { 0 }, again = { 0 };
        CVM_CLEANUP(cvm_freep) char *text = NULL;
        struct cvm_error err = { 0 };

        if (collateral_pack_read(data, size, "fuzz", &pack, &err) < 0)
                return 0;
        for (size_t i = 0; i < pack.n; i++) {
                struct collateral_place place;
                char name[COLLATERAL_NAME_MAX];

                FUZZ_REQUIRE(!strchr(pack.items[i].name, '/') && pack.items[i].name[0] != '.');
                pack.items[i].source->place(pack.items[i].name, &(struct collateral_asked){ 0 }, &place);
                pack.items[i].source->authorities(pack.items[i].name, name);
                FUZZ_REQUIRE(place.path[0] == '/');
                FUZZ_REQUIRE(strcmp(name, pack.items[i].name) == 0 ||
                             pack.items[i].source->kind(name) == COLLATERAL_AUTHORITIES);
        }
        text = collateral_pack_write(&pack);
        FUZZ_REQUIRE(text && collateral_pack_read(text, strlen(text), "fuzz", &again, &err) == 0);
        FUZZ_REQUIRE(again.n == pack.n);
        return 0;
}
