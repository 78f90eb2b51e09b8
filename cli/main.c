#include <locale.h>

#include "cli/command.h"

int main(int argc, char **argv) {
        setlocale(LC_CTYPE, "");
        return command_main(argc, argv);
}
