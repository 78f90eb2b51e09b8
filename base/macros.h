/* Owners made visible: cleanup attributes, giving away, and sizes of arrays. */
#pragma once

#include <stddef.h>

#define CVM_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines FNp() for CVM_CLEANUP from a destructor that accepts NULL and returns NULL. */
#define CVM_DEFINE_CLEANUP(type, fn)         \
        static inline void fn##p(type **p) { \
                if (*p)                      \
                        *p = fn(*p);         \
        }                                    \
        struct cvm_useless_##fn

/* The same for destructors of other libraries, which return nothing. */
#define CVM_DEFINE_CLEANUP_VOID(type, fn)    \
        static inline void fn##p(type **p) { \
                if (*p)                      \
                        fn(*p);              \
                *p = NULL;                   \
        }                                    \
        struct cvm_useless_##fn

#define TAKE_PTR(p)                        \
        ({                                 \
                __typeof__(p) *pp_ = &(p); \
                __typeof__(p) v_ = *pp_;   \
                *pp_ = NULL;               \
                v_;                        \
        })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CVM_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* free() for CVM_CLEANUP on any pointer to plain memory */
static inline void cvm_freep(void *p) {
        extern void free(void *);
        void **pp = p;

        free(*pp);
        *pp = NULL;
}
