// SPDX-License-Identifier: GPL-2.0
/*
 * Switches between CPUs before each access to memory. The EL2 sources of walk-race are
 * compiled with -fsanitize=thread. The functions that the compiler then calls before
 * each access are these, not those of the sanitizer's library. See interleave.c.
 */
#include <string.h>

#include "runner.h"
#include "weak.h"

static void before(const void *addr)
{
	list_access(addr);
	race_access();
}

#define READ(name, size)			\
	void __tsan_##name(void *addr);		\
	void __tsan_##name(void *addr) { before(addr); weak_read(addr, size); }
#define WRITE(name, size)			\
	void __tsan_##name(void *addr);		\
	void __tsan_##name(void *addr) { before(addr); weak_write(addr, size); }

#define ACCESSES(size)				\
	READ(read##size, size)			\
	WRITE(write##size, size)		\
	READ(volatile_read##size, size)		\
	WRITE(volatile_write##size, size)	\
	READ(unaligned_read##size, size)	\
	WRITE(unaligned_write##size, size)	\
	WRITE(read_write##size, size)		\
	WRITE(unaligned_read_write##size, size)

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

void env_hook(void);
void *env_memset(void *to, int byte, size_t size);
void *env_memcpy(void *to, const void *from, size_t size);

void __tsan_func_entry(void *addr)
{
	race_access();
	weak_settle();
}

/* Before main(). */
void __tsan_init(void)
{
	weak_on = true;
}

void __tsan_func_exit(void *none)
{
	weak_settle();
}

void __tsan_read_range(void *addr, long size)
{
	race_access();
	weak_read(addr, size);
}

void __tsan_write_range(void *addr, long size)
{
	race_access();
	weak_write(addr, size);
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
	before(from);
	weak_write(to, size);
	memcpy(to, from, size);
	weak_settle();

	return to;
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
	race_access();
	weak_write(to, size);
	memmove(to, from, size);
	weak_settle();

	return to;
}

void *__tsan_memset(void *to, int byte, size_t size)
{
	race_access();
	weak_write(to, size);
	memset(to, byte, size);
	weak_settle();

	return to;
}

/* Where the compiler has no hooks, see el2.h. Without weak memory there are none, too. */
void env_hook(void)
{
	if (weak_on)
		race_access();
}

void *env_memset(void *to, int byte, size_t size)
{
	return weak_on ? __tsan_memset(to, byte, size) : memset(to, byte, size);
}

void *env_memcpy(void *to, const void *from, size_t size)
{
	return weak_on ? __tsan_memcpy(to, from, size) : memcpy(to, from, size);
}
