/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the random walk have in common, see walk.c. */
#ifndef HOST_WALK_H
#define HOST_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "env.h"
#include "smmu.h"
#include "spec.h"

typedef uint64_t u64;
typedef uint32_t u32;

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* What the hardware is like, and what has to come of it. */
enum expect { RUN, LOST, TIMEOUT, REFUSE, AUDIT, OFF, UNFED, STAGES, TESTS };

struct config {
	const char *name;
	bool lies;			/* the firmware says that it snoops */
	unsigned int ia;		/* physical addresses of the CPU, in bits */
	enum expect expect;
	int nr, tests;			/* IOMMUs, and test backends after them */
	u64 flags;
	struct smmu_config smmu[3];
	int why;
};

extern const struct config configs[];
extern const unsigned int nr_configs;
extern const struct config *config;	/* of this boot */
extern struct spec spec;
extern bool may_stop;		/* an IOMMU lost a command: EL2 may end */

/* walk.c */
u64 rnd(void);
u64 below(u64 n);
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void scribble(u64 pfn);
int call5(bool boot, u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
int call(bool boot, u64 *res, u64 op, u64 a1, u64 a2, u64 a3, u64 a4);
bool mapping_says(u64 domain, u64 iova, u64 size, struct smmu_map *map);
bool is_smmu(int id);
void check_all(bool thorough);
void check_one(u64 iommu, u64 sid);

/* args.c */
#define WHOLE_BLOCK	0x40200000ULL
u64 some_pfn(void);
u64 some_number(u64 max);
u64 some_iommu(void);
u64 some_sid(u64 iommu);
u64 some_domain(void);
u64 some_own_domain(void);	/* one that can have mappings, mostly */
u64 some_iova(void);
u64 some_size(void);
u64 some_phys(u64 iova);
u64 host_page(void);

/* steps.c: each returns false if EL2 has stopped */
bool one_step(void);
bool do_attach(bool attach);
bool do_topup(void);
bool do_reclaim(u64 times);
bool do_page(void);
bool do_info(void);

/* boot.c */
bool boot_all(void);		/* false: out of service, rightly */
void aftermath(void);

#endif /* HOST_WALK_H */
