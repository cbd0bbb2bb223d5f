/* SPDX-License-Identifier: GPL-2.0 */
/* Records of what happened, and how they are made shorter: see shrink.c. */
#ifndef SHRINK_H
#define SHRINK_H

#include "runner.h"

void record_init(void);
void record_reset(void);
u64 boot_seed(u64 seed, u64 boot_nr);
/* Shorten the record of a boot that failed with this wait status. */
void shrink(const struct config *c, u64 seed, u64 boot_nr, int status, const char *save_as,
	    const char *myself);
int replay(const char *file);

#endif /* SHRINK_H */
