/* The rows of cvmctl's table, declared. */
#pragma once

#include "cli/command.h"

#define COMMAND(name) extern const struct command command_##name;
#include "cli/commands.def"
#undef COMMAND
