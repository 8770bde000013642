/* Moves the clocks of a process apart while it runs. HANDS names a file of three 64-bit numbers: how many seconds to add to the wall
 * clock, to the boot-time clock and to the monotonic one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *hands;

__attribute__((constructor)) static void take_hands(void) {
    const char *path = getenv("HANDS");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *shared = file < 0 ? MAP_FAILED : mmap(NULL, 3 * sizeof *hands, PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0) close(file);
    if (shared != MAP_FAILED) hands = shared;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = (int)syscall(SYS_clock_gettime, clock, time);
    if (failed || !hands) return failed;
    if (clock == CLOCK_REALTIME) time->tv_sec += hands[0];
    if (clock == CLOCK_BOOTTIME) time->tv_sec += hands[1];
    if (clock == CLOCK_MONOTONIC) time->tv_sec += hands[2];
    return 0;
}
