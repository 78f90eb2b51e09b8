#include "collateral/budget.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/fd.h"

#define BUDGET_SIZE 16

static uint64_t clamp(uint64_t at, uint64_t now, uint64_t most) {
        return at > now + most ? now + most : at;
}

uint64_t budget_wait(const struct budget *budget, const struct budget_rate *rate, uint64_t now_msec) {
        uint64_t most = (uint64_t)rate->burst * rate->interval_msec;
        uint64_t paid = clamp(budget->paid_until, now_msec, most);
        uint64_t demanded = clamp(budget->not_before, now_msec, BUDGET_DEMAND_MAX_MSEC);
        uint64_t at = paid + rate->interval_msec > now_msec + most ? paid + rate->interval_msec - most : 0;

        at = demanded > at ? demanded : at;
        return at > now_msec ? at - now_msec : 0;
}

void budget_take(struct budget *budget, const struct budget_rate *rate, uint64_t now_msec) {
        uint64_t paid = clamp(budget->paid_until, now_msec, (uint64_t)rate->burst * rate->interval_msec);

        budget->paid_until = (paid > now_msec ? paid : now_msec) + rate->interval_msec;
}

/* The owned, locked descriptor. A file that holds no budget is a full one: it is only a courtesy. */
static int open_budget(const char *path, struct budget *ret, struct cvm_error *err) {
        CVM_CLEANUP(cvm_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        uint8_t bytes[BUDGET_SIZE];
        struct cvm_reader in = cvm_reader_of(bytes, sizeof bytes);
        ssize_t n;

        if (fd < 0 || flock(fd, LOCK_EX) < 0 || (n = pread(fd, bytes, sizeof bytes, 0)) < 0)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be used: %s", path,
                                strerror(errno));
        *ret = (struct budget){ 0 };
        if (n == sizeof bytes) {
                ret->paid_until = cvm_read_u64le(&in);
                ret->not_before = cvm_read_u64le(&in);
        }
        return TAKE_FD(fd);
}

static int put_budget(int fd, const char *path, const struct budget *budget, struct cvm_error *err) {
        CVM_CLEANUP(cvm_writer_done) struct cvm_writer out = { 0 };

        cvm_write_u64le(&out, budget->paid_until);
        cvm_write_u64le(&out, budget->not_before);
        if (out.failed || pwrite(fd, out.bytes.data, BUDGET_SIZE, 0) != BUDGET_SIZE)
                return cvm_fail(err, &CVM_CODE_FILE, errno, "'%s' cannot be written: %s", path,
                                strerror(errno));
        return 0;
}

int budget_file_take(const char *path, const struct budget_rate *rate, uint64_t now_msec,
                     uint64_t *ret_wait_msec, struct cvm_error *err) {
        struct budget budget;
        CVM_CLEANUP(cvm_closep) int fd = open_budget(path, &budget, err);

        if (fd < 0)
                return fd;
        *ret_wait_msec = budget_wait(&budget, rate, now_msec);
        if (*ret_wait_msec)
                return 0;
        budget_take(&budget, rate, now_msec);
        return put_budget(fd, path, &budget, err);
}

int budget_file_demand(const char *path, uint64_t not_before_msec, struct cvm_error *err) {
        struct budget budget;
        CVM_CLEANUP(cvm_closep) int fd = open_budget(path, &budget, err);

        if (fd < 0)
                return fd;
        if (not_before_msec > budget.not_before)
                budget.not_before = not_before_msec;
        return put_budget(fd, path, &budget, err);
}
