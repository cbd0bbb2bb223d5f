// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tap.h"

static unsigned int count, failed, skipped;

#define PRINT_NAME(name)			\
	do {					\
		va_list ap;			\
						\
		va_start(ap, name);		\
		vprintf(name, ap);		\
		va_end(ap);			\
	} while (0)

bool tap_ok(bool good, const char *name, ...)
{
	if (!good)
		failed++;
	printf("%sok %u - ", good ? "" : "not ", ++count);
	PRINT_NAME(name);
	printf("\n");
	fflush(stdout);
	return good;
}

void tap_skip(const char *reason, const char *name, ...)
{
	skipped++;
	printf("ok %u - ", ++count);
	PRINT_NAME(name);
	printf(" # SKIP %s\n", reason);
	fflush(stdout);
}

void tap_note(const char *text, ...)
{
	printf("# ");
	PRINT_NAME(text);
	printf("\n");
	fflush(stdout);
}

void tap_bail(const char *text, ...)
{
	printf("Bail out! ");
	PRINT_NAME(text);
	printf("\n");
	fflush(stdout);
	exit(1);
}

int tap_done(void)
{
	printf("1..%u\n# passed %u failed %u skipped %u\n", count,
	       count - failed - skipped, failed, skipped);
	fflush(stdout);
	/* A run in which all tests were skipped has not passed. */
	return failed || count == skipped;
}
