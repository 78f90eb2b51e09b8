/*
 * A definition as cvmctl takes it: a file, flags, or a file with flags over it. Both ways build the same
 * JSON, which is then checked by the one reader (launch/definition.h).
 */
#pragma once

#include "cli/command.h"
#include "launch/definition.h"

/* The flags, to be put into a command's table of options. */
#define DEFINITION_OPTIONS                                                                         \
        { "name", OPTION_TEXT, "NAME", "the VM's name" },                                          \
                        { "uuid", OPTION_TEXT, "UUID", "its uuid (made when absent)" },            \
                        { "platform", OPTION_REPEAT, "PLATFORM",                                   \
                          "sev-snp; may be repeated, in order of preference" },                    \
                        { "simulate", OPTION_FLAG, NULL,                                           \
                          "run without hardware protection, with simulated evidence" },            \
                        { "vcpus", OPTION_TEXT, "N", "virtual CPUs (2)" },                         \
                        { "memory", OPTION_TEXT, "SIZE", "\"2GiB\", \"512MiB\" or bytes (2GiB)" }, \
                        { "cpu-model", OPTION_TEXT, "MODEL", "the measured CPU model" },           \
                        { "firmware", OPTION_TEXT, "FILE", "firmware image" },                     \
                        { "kernel", OPTION_TEXT, "FILE", "kernel" },                               \
                        { "initrd", OPTION_TEXT, "FILE", "initial RAM disk" },                     \
                        { "cmdline", OPTION_TEXT, "TEXT", "kernel command line" },                 \
                        { "boot-disk", OPTION_TEXT, "SERIAL", "boot from this disk instead" },     \
                        { "disk", OPTION_REPEAT, "KEY=VALUE,...",                                  \
                          "path=, format=raw|qcow2, readonly=, serial=, size=" },                  \
                        { "nic", OPTION_REPEAT, "KEY=VALUE,...",                                   \
                          "type=user|tap|bridge|none, name=, mac=, forward=HOST:GUEST" },          \
                        { "image", OPTION_TEXT, "NAME", "image of the store" },                    \
                        { "console", OPTION_TEXT, "KIND", "log, interactive or none" },            \
                        { "owner-key", OPTION_TEXT, "KEY",                                         \
                          "the owner's key: PEM file or URI; its public half is taken" },          \
                        { "require-secret", OPTION_REPEAT, "NAME",                                 \
                          "a secret that the guest must confirm" },                                \
                        { "approval", OPTION_FLAG, NULL,                                           \
                          "the guest agent waits for the owner's approval" },                      \
                        { "hold", OPTION_FLAG, NULL,                                               \
                          "the daemon waits for a start permit before the first instruction" },    \
                        { "on-refused", OPTION_TEXT, "WHAT",                                       \
                          "keep or kill a guest whose evidence is refused" },                      \
                        { "label", OPTION_REPEAT, "KEY=VALUE", "a label" },                        \
                        { "restart", OPTION_TEXT, "WHEN", "never, on-failure or always" },         \
                        { "autostart", OPTION_FLAG, NULL, "start with the daemon" },               \
                        { "user", OPTION_TEXT, "NAME", "the account that the VM belongs to" }, {   \
                "accel", OPTION_TEXT, "HOW", "auto, kvm or tcg (simulated guests)"                 \
        }

/*
 * words: at most one DEFINITION file ("-": standard input). Relative paths in flags and in the file are made
 * absolute (the file's are taken from the file's own directory). ret_text is the JSON, owned; ret the
 * definition read from it.
 */
int definition_input(const struct arguments *arguments, char **ret_text, struct definition **ret,
                     struct cvm_error *err);
