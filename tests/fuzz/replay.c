/* Runs a harness over each file of a folder: the corpus as a test. An empty folder fails. */
#include <dirent.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"

static int replay(const char *folder, const char *name) {
        static uint8_t data[1 << 20];
        char path[4096];
        FILE *f;
        size_t size;

        snprintf(path, sizeof path, "%s/%s", folder, name);
        f = fopen(path, "rb");
        if (!f)
                return -1;
        size = fread(data, 1, sizeof data, f);
        fclose(f);
        /* A block of exactly that size, so that the address sanitizer sees a read beyond it. */
        uint8_t *exact = malloc(size ? size : 1);
        if (!exact)
                return -1;
        for (size_t i = 0; i < size; i++)
                exact[i] = data[i];
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        return 0;
}

int main(int argc, char **argv) {
        DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
        struct dirent *entry;
        size_t n = 0;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.' && replay(argv[1], entry->d_name) == 0)
                        n++;
        if (dir)
                closedir(dir);
        printf("%zu files\n", n);
        return n == 0;
}
