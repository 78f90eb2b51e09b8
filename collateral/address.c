#include "collateral/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* IANA's special-purpose registries (RFC 6890 and later): none of them is globally reachable unicast. */
static const struct {
        uint32_t network;
        unsigned bits;
} not_public_v4[] = {
        { 0x00000000, 8 },  /* this network */
        { 0x0a000000, 8 },  /* private */
        { 0x64400000, 10 }, /* carriers' shared space */
        { 0x7f000000, 8 },  /* loopback */
        { 0xa9fe0000, 16 }, /* link-local */
        { 0xac100000, 12 }, /* private */
        { 0xc0000000, 24 }, /* protocol assignments */
        { 0xc0000200, 24 }, /* documentation */
        { 0xc0586300, 24 }, /* 6to4 relays */
        { 0xc0a80000, 16 }, /* private */
        { 0xc6120000, 15 }, /* benchmarks */
        { 0xc6336400, 24 }, /* documentation */
        { 0xcb007100, 24 }, /* documentation */
        { 0xe0000000, 3 },  /* multicast, reserved, broadcast */
};

/* Within 2000::/3, the only part of the space that is given out. */
static const struct {
        uint8_t first[4];
        unsigned bits;
} not_public_v6[] = {
        { { 0x20, 0x01, 0x00, 0x00 }, 23 }, /* protocol assignments, Teredo among them */
        { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
        { { 0x20, 0x02, 0x00, 0x00 }, 16 }, /* 6to4: any IPv4 address inside */
        { { 0x3f, 0xff, 0x00, 0x00 }, 20 }, /* documentation */
};

static uint32_t mask(unsigned bits) {
        return UINT32_MAX << (32 - bits);
}

static bool v4_is_public(uint32_t address) {
        for (size_t i = 0; i < ARRAY_SIZE(not_public_v4); i++)
                if ((address & mask(not_public_v4[i].bits)) == not_public_v4[i].network)
                        return false;
        return true;
}

static uint32_t first_32(const uint8_t bytes[4]) {
        return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool v6_is_public(const uint8_t address[16]) {
        if ((address[0] & 0xe0) !=
            0x20) /* IPv4-mapped ones, loopback, link-local, unique local, multicast */
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(not_public_v6); i++)
                if ((first_32(address) & mask(not_public_v6[i].bits)) == first_32(not_public_v6[i].first))
                        return false;
        return true;
}

bool address_is_public(const struct sockaddr *address) {
        if (address->sa_family == AF_INET)
                return v4_is_public(
                                ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
        return address->sa_family == AF_INET6 &&
               v6_is_public(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
}
