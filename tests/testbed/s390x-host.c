/* To preload before libvirtd: this machine is an s390x. */
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

__attribute__((visibility("default"))) int uname(struct utsname *name) {
        int r = (int)syscall(SYS_uname, name);

        strcpy(name->machine, "s390x");
        return r;
}
