/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>

/* Test Anything Protocol on standard output. Not for use by several threads. */

/* One test: "ok" or "not ok" with a printf name. Returns @good. */
bool tap_ok(bool good, const char *name, ...)
	__attribute__((format(printf, 2, 3)));
/* One test that could not be run. Readers must not count it as passed. */
void tap_skip(const char *reason, const char *name, ...)
	__attribute__((format(printf, 2, 3)));
void tap_note(const char *text, ...) __attribute__((format(printf, 1, 2)));
/* "Bail out!" and exit: no further test can be run. */
void tap_bail(const char *text, ...)
	__attribute__((format(printf, 1, 2), noreturn));
/* The plan, at the end because rows may be skipped; returns the exit status. */
int tap_done(void);

#endif
