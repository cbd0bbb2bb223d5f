// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into QEMU by bench.sh when two CPUs run: a mutex spins before it sleeps.
 *
 * QEMU's virtual CPUs share one mutex, which each exception, each exception return and
 * each access to a device takes for less than a microsecond. A CPU that finds it taken
 * sleeps in the kernel, and to be woken again takes some 10 us, longer than a map and
 * unmap. Then two CPUs are slower than one, whatever the guest does: native mapping takes
 * the mutex in its MMIO accesses only, ours also in its hypercalls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>

#define TRIES	3000	/* longer than QEMU holds the mutex, for all but few of its users */

static int (*sleeping_lock)(pthread_mutex_t *mutex);

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int i, pause;

	for (i = 0; i < TRIES; i++) {
		if (!pthread_mutex_trylock(mutex))
			return 0;
		for (pause = 0; pause < 4; pause++)
			__asm__ volatile("" : : : "memory");
	}
	if (!sleeping_lock)
		sleeping_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	return sleeping_lock(mutex);
}
