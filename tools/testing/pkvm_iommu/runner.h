/* SPDX-License-Identifier: GPL-2.0 */
/* Interfaces between the files of the random walk, see runner.c. */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdbool.h>
#include <stdint.h>

#include "env.h"
#include "smmu.h"
#include "spec.h"
#include "vdev.h"

typedef uint64_t u64;
typedef uint32_t u32;

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* A configuration of hardware, and the expected result of its boot. */
enum expect { RUN, LOST, TIMEOUT, REFUSE, AUDIT, OFF, UNFED, STAGES, REGISTERS, TESTS };

struct config {
	const char *name;
	bool gib;			/* there is 1 GiB of memory more */
	bool lies;			/* firmware claims that it snoops, and it does not */
	unsigned int ia;		/* physical addresses of the CPU, in bits */
	enum expect expect;
	int nr, nr_virtio;		/* SMMUs, and virtio-iommus after them */
	int tests, told, permits;	/* and then test backends, of each kind */
	unsigned int permits_bits;	/* reach of those that only permit, if less */
	bool no_window;			/* UNFED: the last window of each test backend is missing */
	u64 flags;
	struct smmu_config smmu[3];
	struct vdev_config virtio[2];
	bool suspends;			/* CPUs and SMMUs go off and come back during the walk */
	int why;
	void (*scenario)(void);		/* steps to do before the walk, or NULL */
};

extern const struct config configs[];
extern const unsigned int nr_configs;
extern const struct config *config;	/* of this boot */
extern struct spec spec;

/* act.c */

enum act_kind {
	ACT_BOOT,		/* x1 to x17 of a call during boot; is not recorded */
	ACT_CALL,		/* a call after boot */
	ACT_PAGE,		/* enum env_op, pfn */
	ACT_DMA,		/* IOMMU, stream, address, write */
	ACT_EVENT,		/* IOMMU, stream, event, reason, has address, address, write */
	ACT_GERROR,		/* IOMMU, bits */
	ACT_SYNC,		/* IOMMU 0 loses commands: see smmu_break_sync(), or enum vdev_lie */
	ACT_RESUME,		/* SMMUs that were off, enum smmu_dead of some, mask of these */
};

#define ARGS	ENV_ARGS

struct act {
	enum act_kind kind;
	unsigned int group;	/* concurrent acts have the same; 0: alone */
	unsigned int cpu;	/* within the group; acts of one CPU are in order */
	u64 chance;		/* seed of the hardware's choices */
	u64 a[ARGS];
};

/* The acts of a boot, shared with the parent process, which prints them on a failure. */
#define MAX_ACTS	(1 << 18)
struct record {
	bool on;
	u64 nr;
	u64 calls;		/* of all boots */
	char failure[256];	/* message, numbers removed */
	struct act act[MAX_ACTS];
};

#define STOPPED		1	/* instead of an errno: EL2 ended after a lost command */

extern struct record *record;
extern const char *const page_op_names[ENV_OPS];
extern u64 act_counts[18], act_answers[2];	/* calls per operation; that failed or not */
extern u64 act_nr;
extern bool act_tracing;
extern const char *act_repeat;	/* the command that repeats it all */
extern bool may_stop;		/* an IOMMU lost a command: EL2 may end */
extern bool ended;		/* EL2 has ended on some CPU */

void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int act_args(const struct act *a);
void act_words(const struct act *a, char *to, size_t size);
/* Record and do the acts of a group. */
int act_group(const struct act *acts, int nr);
/* Do an act and check its result. Returns x1, or the result of the act, or STOPPED. */
int act(const struct act *a, u64 *res);
/* A call with these arguments. EL2 ignores the other registers, which are random. */
#define call(boot, res, ...)						\
	call_some(boot, res, COUNT(((u64[]) { __VA_ARGS__ })), (u64[]) { __VA_ARGS__ })
int call_some(bool boot, u64 *res, int nr, const u64 *args);
void act_prepare(const struct act *a);
void list_access(const void *addr);	/* EL2 is about to read, or to write */
void act_returned(const struct act *a, const u64 *res);
void act_finish(const struct act *a, const u64 *res);
bool mapping_says(u64 domain, u64 iova, u64 size, struct smmu_map *map);
bool lingers_says(u64 domain, u64 iova, u64 size, const struct smmu_map *map);
bool nested_says(u64 domain, struct smmu_nested *nested);
bool owner_says(int iommu, u32 id, u32 *sid, u64 *domain);
bool knows_says(int iommu, u64 domain, u64 *mapped, u64 *lingers);
void scribble(u64 pfn);
bool is_smmu(u64 id);
bool is_smmu_v2(u64 id);
bool is_virtio(u64 id);
bool is_permits(u64 id);
int nr_configured(void);	/* IOMMUs of the configuration */
/* Do an ACT_EVENT. Returns false if the queue has no room for it. */
bool make_event(const struct act *a);
void check_all(bool thorough);
void check_race(bool thorough);

/* The fault that an ACT_EVENT has to lead to. */
struct spec_fault event_fault(const struct act *a);

/* interleave.c */
#define RACE_CPUS	4
#define MAX_RACE	12
#define RACE_PROBES	24
/* Acts of one group, at the same time. Returns 0 or STOPPED. */
int race(const struct act *acts, int nr);
extern u64 race_busy_streams;	/* calls that found their stream in use by another CPU */
void race_access(void);

/* engine.c */
u64 rnd(void);			/* random number for the choices of the walk */
u64 below(u64 n);
u64 noise(void);		/* random number for values that EL2 ignores */
extern u64 smmu_chance;		/* state of the hardware's random numbers */
extern const unsigned char *engine_choices;	/* if not NULL, used instead of random numbers */
extern size_t engine_nr_choices;
/* Boot. Returns false if the layer is out of service, as the configuration expects. */
bool engine_boot(const struct config *c, u64 seed);
void engine_walk(u64 nr_steps, bool up);
void engine_replay(const struct act *acts, u64 nr);

/* scenario.c */
void saturate_pins(void);
void many_lazy_domains(void);
void replay_in_between(void);
void many_domains(void);
void edge_of_reach(void);
void block_root(void);
void gib_blocks(void);
void far_apart(void);
void donate_ranges(void);
void suspend_resume(void);
void lost_clock(void);
void lost_detach(void);
void resume_after_loss(void);
void resume_fails(void);
void same_stream(void);
void apart(void);

/* args.c */
#define WALK_DOMAINS	8	/* domains that the walk has at most */
#define GIB		(1ULL << 30)
/*
 * A block, usually free as a whole: memory, or MMIO where a block of 512 MiB is more than the
 * memory, which a run of 1 GiB maps.
 */
#define WHOLE_BLOCK	(ENV_PAGE_SHIFT == 16 ? ENV_GIB : ENV_RAM0 + ENV_BLOCK)
#define BLOCK_RUN	(ENV_PAGE_SHIFT == 16 ? PKVM_IOMMU_RUN_GIB(WHOLE_BLOCK) : \
						PKVM_IOMMU_RUN(WHOLE_BLOCK, ENV_PTES))
#define BLOCK_RUN_SIZE	(ENV_PAGE_SHIFT == 16 ? GIB : ENV_BLOCK)
/* Pages that EL2 maps, unmaps and looks up at once; aligned. */
#define PIECE_PAGES	512
#define PIECE		(PIECE_PAGES * ENV_PAGE)
/* Pages that scenarios map. */
#define SCENARIO_PAGES	(ENV_RAM0 + ENV_SCALE * 0x700000)
#define SCENARIO_END	(SCENARIO_PAGES + 3 * ENV_PAGE)
bool for_scenarios(u64 pfn);
u64 some_pfn(void);
u64 some_number(u64 max);
u64 some_iommu(void);
u64 some_sid(u64 iommu);
u64 limit_of(u64 iommu);
u64 limit_in(u64 domain);
u64 some_domain(void);
u64 some_domain_for(u64 iommu);
u64 some_iommu_for(u64 domain);
u64 some_own_domain(void);	/* usually one that can have mappings */
u64 some_nested_domain(void);	/* usually a nested one */
u64 some_iova(void);
u64 some_size(void);
u64 some_phys(u64 iova);
u64 host_page(void);
u64 host_block(u64 n);

/* steps.c and steps-*.c: each returns false if EL2 has stopped */
bool one_step(void);
extern bool mostly_races;
bool do_attach(bool attach);
bool do_topup(void);
bool do_reclaim(u64 times);
bool do_page(void);
bool do_info(void);
bool do_domain(void);
bool do_map(void);
bool do_unmap(void);
bool do_lookup(void);
bool do_flush(void);
bool do_invalidate(void);
bool do_replay(void);
bool replay_all(u64 iommu, u64 domain, bool breaks_off);
bool do_starved(void);
bool do_race(void);
bool do_meet(void);
bool do_full_queue(void);
bool do_lazies(void);
bool do_resume(void);
/* Give @n pages to the pool. Returns 1; 0 if the host has none; -1 if EL2 has stopped. */
int give_pages(u64 n);
int give_block(u64 n);

/* boot.c */
bool boot_all(void);		/* false: out of service, as expected */
void aftermath(void);

#endif /* RUNNER_H */
