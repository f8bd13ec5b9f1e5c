/* Lab only: a limit of open files below 65535 looks like 65535 to a program that asks, and only to that program.
 *
 * For hosts whose hard limit cannot be raised. The kernel enforces its own limit all the same. Programs that then
 * raise their soft limit to what they were told (the JVM does) get the real hard limit instead of an error.
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TOLD 65535

static int ask(int resource, const struct rlimit *wanted, struct rlimit *found) {
    return (int)syscall(SYS_prlimit64, 0, resource, wanted, found);
}

int getrlimit(__rlimit_resource_t resource, struct rlimit *limit) {
    int status = ask(resource, 0, limit);
    if (status == 0 && resource == RLIMIT_NOFILE) {
        if (limit->rlim_max < TOLD) limit->rlim_max = TOLD;
        if (limit->rlim_cur < TOLD) limit->rlim_cur = TOLD;
    }
    return status;
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) {
    struct rlimit wanted = *limit, real;
    if (resource == RLIMIT_NOFILE && ask(resource, 0, &real) == 0) {
        if (wanted.rlim_cur > real.rlim_max) wanted.rlim_cur = real.rlim_max;
        if (wanted.rlim_max > real.rlim_max) wanted.rlim_max = real.rlim_max;
    }
    return ask(resource, &wanted, 0);
}

/* On a 64-bit system both kinds have the same layout. */
int getrlimit64(__rlimit_resource_t resource, struct rlimit64 *limit) {
    return getrlimit(resource, (struct rlimit *)limit);
}

int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit) {
    return setrlimit(resource, (const struct rlimit *)limit);
}
