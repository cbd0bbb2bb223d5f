// SPDX-License-Identifier: GPL-2.0
/*
 * Switches between CPUs before each access to memory. The EL2 sources of walk-race are
 * compiled with -fsanitize=thread. The functions that the compiler then calls before
 * each access are these, not those of the sanitizer's library. See interleave.c.
 */
#include <string.h>

#include "runner.h"

static void access_at(const void *addr)
{
	list_access(addr);
	race_access();
}

#define ACCESS(name)			\
	void __tsan_##name(void *addr);	\
	void __tsan_##name(void *addr) { access_at(addr); }

#define ACCESSES(size)				\
	ACCESS(read##size)			\
	ACCESS(write##size)			\
	ACCESS(volatile_read##size)		\
	ACCESS(volatile_write##size)		\
	ACCESS(unaligned_read##size)		\
	ACCESS(unaligned_write##size)		\
	ACCESS(read_write##size)		\
	ACCESS(unaligned_read_write##size)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_func_entry(void *addr);
void __tsan_init(void);
void __tsan_func_exit(void *none);
void __tsan_read_range(void *addr, long size);
void __tsan_write_range(void *addr, long size);
void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memset(void *to, int byte, size_t size);

void __tsan_func_entry(void *addr)
{
	race_access();
}

void __tsan_init(void)
{
}

void __tsan_func_exit(void *none)
{
}

void __tsan_read_range(void *addr, long size)
{
	race_access();
}

void __tsan_write_range(void *addr, long size)
{
	race_access();
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
	access_at(from);

	return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
	race_access();

	return memmove(to, from, size);
}

void *__tsan_memset(void *to, int byte, size_t size)
{
	race_access();

	return memset(to, byte, size);
}
